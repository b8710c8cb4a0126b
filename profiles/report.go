package profiles

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Mistake is one thing wrong in a profile. Line and Col start at 1 and count
// characters, as an editor does; a missing key points at its parent.
type Mistake struct {
	File    string `json:"file"` // as it was given to Load
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Path    string `json:"path,omitempty"` // such as nodes[2].web_port; empty for the whole file
	Message string `json:"message"`        // reads on from the path
	Hint    string `json:"hint,omitempty"` // what to type next
}

// String is the mistake as berry prints it: a line that editors can jump to
// and, where there is one, a hint below it.
func (m Mistake) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d:%d: ", m.File, m.Line, m.Col)
	if m.Path != "" {
		b.WriteString(m.Path + ": ")
	}
	b.WriteString(m.Message)
	if m.Hint != "" {
		b.WriteString("\n    hint: " + m.Hint)
	}
	return b.String()
}

// Report is every mistake of one profile, in the order of the file. Load
// returns it as its error, and never an empty one.
type Report []Mistake

// Error is the whole report, ready to be shown.
func (r Report) Error() string {
	lines := make([]string, len(r))
	for i, m := range r {
		lines[i] = m.String()
	}
	return strings.Join(lines, "\n")
}

// sort puts the mistakes in the order in which a person reads the file.
func (r Report) sort() {
	slices.SortStableFunc(r, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col),
			cmp.Compare(a.Path, b.Path))
	})
}
