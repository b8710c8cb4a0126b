package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"berries/firstboot/report"
)

// View shows a cluster again and again.
type View interface {
	Show(c report.Cluster, at time.Time) error
}

// Screen is the table on a terminal, which stays in its place. Width is how many columns
// the terminal has just now; 0 is that nobody knows.
type Screen struct {
	W      io.Writer
	Width  func() int
	Colour bool
	shown  int // lines
}

// Show implements View.
func (s *Screen) Show(c report.Cluster, at time.Time) error {
	lines := append(Table(c, s.Colour), "", at.Format(time.TimeOnly)+", as "+asked(c)+"; Ctrl-C ends this")
	var text strings.Builder
	if s.shown > 0 {
		fmt.Fprintf(&text, "\x1b[%dA\x1b[J", s.shown) // up, and erase from there
	}
	width := s.Width()
	for _, line := range lines {
		text.WriteString(cut(line, width) + "\n")
	}
	s.shown = len(lines)
	_, err := io.WriteString(s.W, text.String())
	return err
}

func asked(c report.Cluster) string {
	if c.From == "" {
		return "nobody tells yet"
	}
	return "told by " + c.From
}

var escape = regexp.MustCompile("\x1b\\[[0-9]*m")

// cut is what of a line fits: one that goes on below would be left behind when the table
// is drawn again.
func cut(line string, width int) string {
	plain := escape.ReplaceAllString(line, "")
	if width <= 0 || utf8.RuneCountInString(plain) <= width {
		return line
	}
	var out strings.Builder
	for left := width - 1; left > 0; left-- {
		for {
			at := escape.FindStringIndex(line)
			if at == nil || at[0] != 0 {
				break
			}
			out.WriteString(line[:at[1]])
			line = line[at[1]:]
		}
		r, size := utf8.DecodeRuneInString(line)
		out.WriteRune(r)
		line = line[size:]
	}
	return out.String() + "…" + strings.Join(escape.FindAllString(line, -1), "")
}

// Lines is a line for each node whenever something of it changes, for logs and pipes.
type Lines struct {
	W    io.Writer
	told map[string]string
}

// Show implements View.
func (l *Lines) Show(c report.Cluster, at time.Time) error {
	if l.told == nil {
		l.told = map[string]string{}
	}
	for _, n := range c.Nodes {
		r := rowOf(n)
		var words []string
		for i, cell := range r.cells {
			if i > 0 && cell != none {
				words = append(words, strings.ToLower(head[i])+" "+cell)
			}
		}
		line := n.Name + ": " + strings.Join(slices.Concat(words, r.notes), "; ")
		if l.told[n.Name] == line {
			continue
		}
		l.told[n.Name] = line
		if _, err := fmt.Fprintf(l.W, "%s %s\n", at.Format(time.TimeOnly), line); err != nil {
			return err
		}
	}
	return nil
}

// Objects is the cluster as a JSON object a line, each time.
type Objects struct{ W io.Writer }

// Show implements View.
func (o Objects) Show(c report.Cluster, _ time.Time) error { return json.NewEncoder(o.W).Encode(c) }
