package fetch

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// latest gets a file that nothing but its transport vouches for, so plain http
// is refused, in the URL and in redirects. Where the network fails, the version
// that the cache has will do, and Log says so.
func (c *Client) latest(ctx context.Context, w wanted) (string, error) {
	if !vouched(w.URL) {
		return "", errPlain
	}
	w.secure = true
	known, cached := c.known(w.URL)
	w.once = w.once || cached // there is something to fall back on: do not keep the user waiting
	path, err := c.get(ctx, w)
	if err == nil || !cached || ctx.Err() != nil || isGone(err) {
		return path, err
	}
	path = c.content(known.SHA256)
	since := "earlier"
	if fi, statErr := os.Stat(c.byURL(w.URL) + ".json"); statErr == nil {
		since = "on " + fi.ModTime().Format(time.DateOnly)
	}
	c.log("cannot reach %s (%v); going on with what was fetched %s", redacted(w.URL), err, since)
	return path, nil
}

var errPlain = errors.New("over plain http anyone on the way could change it; use https, or give its sha256")

// vouched tells whether what comes from rawURL is what its owner sent: https
// says so, and to this machine itself there is no way to be on.
func vouched(rawURL string) bool {
	return strings.HasPrefix(strings.ToLower(rawURL), "https:") || loopback(rawURL)
}

// loopback tells whether rawURL is of this machine itself.
func loopback(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// isGone tells whether the server says that there is no such file.
func isGone(err error) bool {
	var status *StatusError
	return errors.As(err, &status) && (status.Code == 404 || status.Code == 403 || status.Code == 410)
}
