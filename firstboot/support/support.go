// Package support is what a node hands its operator when something is wrong: the ends of
// its logs, and a bundle of all that a report of a fault needs. Secrets are taken out
// before anything leaves the node: those of its node file, and whatever its secret
// files hold (see places). The operator's berry takes out again what it knows.
//
// Only the operator gets any of it, from the node itself: the peer service passes his
// connection on, but no node reads another's logs.
//
// What visitors asked for (Apache's access.log) is in none of it.
package support

import (
	"context"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/report"
)

// Support collects what a node's operator may want to see.
type Support struct {
	h *host.Host
	f node.File
	r *report.Reporter
}

// New is for the node of a node file, whose bundle has what the reporter tells.
func New(h *host.Host, f node.File, r *report.Reporter) *Support { return &Support{h, f, r} }

// text is one thing to be read: the end of a log, or what a program says.
type text struct {
	name string // of its file in the bundle
	from string // what it is: a path, or a command as a person types it
	get  func(context.Context) ([]byte, error)
}

// commandLimit is how long a program may take: a glusterd that waits for another one
// takes minutes.
const commandLimit = 10 * time.Second

// command is what a program says, whether it fails or not.
func (s *Support) command(name string, words ...string) text {
	cmd := host.Command(words[0], words[1:]...)
	return text{name, cmd.String(), func(ctx context.Context) ([]byte, error) {
		ctx, cancel := context.WithTimeoutCause(ctx, commandLimit, fmt.Errorf("it says nothing within %v", commandLimit))
		defer cancel()
		res, err := s.h.Runner.Run(ctx, cmd)
		out := append(res.Stdout, res.Stderr...)
		if err != nil {
			out = fmt.Appendf(out, "%v\n", err)
		}
		return out, nil
	}}
}

// journal is the end of the journal of a unit.
func (s *Support) journal(unit string, lines int) text {
	return s.command("logs/journal-"+unit+".txt", "journalctl", "--no-pager", "--output=short-iso", fmt.Sprintf("--lines=%d", lines), "--unit="+unit)
}

// log is the end of a file.
func (s *Support) log(name string, lines int) text {
	return text{"logs" + name, name, func(context.Context) ([]byte, error) { return tail(s.h.Files, name, lines) }}
}

// logsBelow are the ends of all files in a folder, and in those below it, whose names
// suit.
func (s *Support) logsBelow(dir string, depth, lines int, suits func(name string) bool) []text {
	names, err := s.h.Files.List(dir)
	if err != nil {
		return nil
	}
	var list []text
	for _, name := range names {
		full := path.Join(dir, name)
		info, err := s.h.Files.Stat(full)
		switch {
		case err != nil:
		case info.IsDir() && depth > 0:
			list = append(list, s.logsBelow(full, depth-1, lines, suits)...)
		case info.Mode().IsRegular() && suits(name):
			list = append(list, s.log(full, lines))
		}
	}
	return list
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func isErrorLog(name string) bool { return strings.HasSuffix(name, "error.log") }

// maxTail is how much of a log is read, bytes.
const maxTail = 512 << 10

// tail is the last lines of a file. A line that is cut off in front is left out.
func tail(files *host.Files, name string, lines int) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", name, err)
	}
	begin := max(0, info.Size()-maxTail)
	data, err := io.ReadAll(io.LimitReader(io.NewSectionReader(f, begin, maxTail), maxTail))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	all := strings.SplitAfter(string(data), "\n")
	if begin > 0 {
		all = all[1:]
	}
	if all[len(all)-1] == "" {
		all = all[:len(all)-1]
	}
	return []byte(strings.Join(all[max(0, len(all)-lines):], "")), nil
}
