package fetch

import (
	"context"
	"fmt"
	"os"
	"strings"
)

// maxSidecar is more than any line of a checksum and a file name.
const maxSidecar = 64 << 10

// sidecar returns the SHA-256 that is published beside the file at rawURL, in
// rawURL.sha256, in the form of sha256sum(1): "hex  name". It is "" when there
// is none.
func (c *Client) sidecar(ctx context.Context, rawURL string) (string, error) {
	if strings.ContainsAny(rawURL, "?#") || !vouched(rawURL) {
		return "", nil
	}
	beside := rawURL + ".sha256"
	_, cached := c.known(rawURL) // by a run that found none beside it
	path, err := c.latest(ctx, wanted{Request: Request{URL: beside}, max: maxSidecar, once: cached})
	if isGone(err) || err != nil && cached && ctx.Err() == nil {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot download %s: %w", redacted(beside), err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	sum := checksumLine(string(text), fileName(rawURL))
	if sum == "" {
		return "", fmt.Errorf("cannot use %s: it holds no SHA-256 of %s; give the image's sha256 instead",
			redacted(beside), fileName(rawURL))
	}
	return sum, nil
}

// checksumLine finds the checksum of name in sha256sum's output. A line without
// a name is of any.
func checksumLine(text, name string) string {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 0 || !isSHA256(words[0]) {
			continue
		}
		if len(words) == 1 || strings.TrimPrefix(words[1], "*") == name {
			return strings.ToLower(words[0])
		}
	}
	return ""
}
