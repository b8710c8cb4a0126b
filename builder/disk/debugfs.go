package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"berries/firstboot/host"
)

// script is a list of debugfs requests. It goes to debugfs through standard
// input, so that nothing of it is in argv or in a file.
type script struct {
	lines []string
	err   error // the first request that cannot be written down
}

// maxLine is the longest request: debugfs reads lines into a buffer of the C
// library's BUFSIZ, which is 1024 bytes on macOS.
const maxLine = 1000

// add appends one request. Every word is quoted as debugfs wants it.
func (s *script) add(words ...string) {
	quoted := make([]string, len(words))
	for i, w := range words {
		if strings.ContainsAny(w, "\n\r\x00") {
			s.fail(fmt.Errorf("%q: debugfs cannot take a name with a line break", w))
		}
		quoted[i] = w
		if w == "" || strings.ContainsAny(w, " \t\"") {
			quoted[i] = `"` + strings.ReplaceAll(w, `"`, `""`) + `"`
		}
	}
	line := strings.Join(quoted, " ")
	if len(line) > maxLine {
		s.fail(fmt.Errorf("%q: the path is too long for debugfs", line))
	}
	s.lines = append(s.lines, line)
}

func (s *script) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// errLookup is what debugfs says of a path that is not there.
const errLookup = "File not found by ext2_lookup"

// debugfs runs the requests and returns what each printed to standard output.
// It exits with 0 whatever happens, so anything on standard error beyond its
// version is an error; with missingOK, paths that are not there are not.
func (e *Ext4) debugfs(ctx context.Context, s *script, missingOK bool, options ...string) ([]string, error) {
	if s.err != nil {
		return nil, s.err
	}
	if len(s.lines) == 0 {
		return nil, nil
	}
	cmd := e.command(e.tools.debugfs, append(options, "-f", "-", e.device())...)
	cmd.Stdin = strings.NewReader(strings.Join(s.lines, "\n") + "\n")
	res, err := e.tools.run.Run(ctx, cmd)
	if err != nil && ctx.Err() != nil {
		return nil, err // what it says when it is stopped is no complaint
	}
	if complaint := complaints(res.Stderr, missingOK); complaint != "" {
		return nil, fmt.Errorf("debugfs: %s", complaint)
	}
	if err != nil {
		return nil, err
	}
	return s.replies(res)
}

// edit runs requests that change the filesystem.
func (e *Ext4) edit(ctx context.Context, s *script) error {
	if e.time.IsZero() {
		return errors.New("it was opened without a time, for reading only")
	}
	_, err := e.debugfs(ctx, s, false, "-w")
	return err
}

// complaints is what debugfs said on standard error, but for its version.
func complaints(stderr []byte, missingOK bool) string {
	var out []string
	for line := range strings.Lines(string(stderr)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "", versionLine.MatchString(line):
		case missingOK && strings.HasSuffix(line, errLookup):
		default:
			out = append(out, line)
		}
	}
	const keep = 5
	if len(out) > keep {
		out = append(out[:keep], fmt.Sprintf("and %d more", len(out)-keep))
	}
	return strings.Join(out, "; ")
}

// replies cuts standard output at the requests, which debugfs echoes.
func (s *script) replies(res host.Result) ([]string, error) {
	rest, out := res.Stdout, make([]string, len(s.lines))
	for i := range s.lines {
		echo := []byte("debugfs: " + s.lines[i] + "\n")
		if !bytes.HasPrefix(rest, echo) {
			return nil, errors.New("debugfs printed something unexpected: " + firstLine(string(rest)))
		}
		rest = rest[len(echo):]
		end := len(rest)
		if i+1 < len(s.lines) {
			next := bytes.Index(rest, []byte("debugfs: "+s.lines[i+1]+"\n"))
			if next < 0 {
				return nil, errors.New("debugfs stopped after: " + s.lines[i])
			}
			end = next
		}
		out[i], rest = string(rest[:end]), rest[end:]
	}
	return out, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
