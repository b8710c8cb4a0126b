package watch

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"berries/firstboot/report"
)

// row is a node in the table.
type row struct {
	cells []string // as in head
	notes []string // what there is to say besides, a line each
	mood  mood
}

// mood is how a node is, which a terminal shows in colour; the words say it, too.
type mood int

const (
	well mood = iota
	atWork
	ill
)

// head is above the columns. What matters most comes first: a narrow terminal cuts off the
// end.
var head = []string{"NODE", "ROLE", "STATE", "BRICK", "HEAL", "COPY", "WEB", "ADDRESS", "GLUSTER", "BERRY"}

// none is in a column that says nothing of a node.
const none = "-"

func rowOf(n report.Node) row {
	r := n.Report
	if r == nil {
		cells := []string{n.Name, n.Role, "silent"}
		for len(cells) < len(head) {
			cells = append(cells, none)
		}
		return row{cells, []string{printable(n.Silent)}, ill}
	}
	state, mood := stateOf(r)
	cells := []string{n.Name, n.Role, state, brick(r.Brick), none, none, none, none,
		cmp.Or(r.Versions["glusterfs"], none), short(cmp.Or(r.Versions["berry-firstboot"], none))}
	if r.Heal != nil {
		cells[4] = fmt.Sprint(*r.Heal)
	}
	if r.GeoRep != nil {
		cells[5] = r.GeoRep.State
	}
	if r.Web != nil {
		cells[6] = web(*r.Web)
	}
	if len(r.Addresses) > 0 {
		cells[7] = r.Addresses[0].String()
	}
	return row{cells, notesOf(r), mood}
}

// stepShape is how the words of a step begin, on a console and everywhere.
var stepShape = regexp.MustCompile(`^step \d+/\d+`)

// stateOf is where a node stands, in a word or two.
func stateOf(r *report.Report) (string, mood) {
	switch step := stepShape.FindString(r.Words); {
	case r.Status.Ready:
		return "ready", well
	case strings.Contains(r.Words, ": failed: "):
		return step + " failed", ill
	case step != "":
		return step, atWork
	}
	return "starting", atWork
}

// notesOf are the node's own words, where the table has not said it all.
func notesOf(r *report.Report) []string {
	var notes []string
	words := strings.TrimPrefix(r.Words, "ready, but: ")
	if words != "" && words != "ready" {
		notes = append(notes, words)
	}
	if r.GeoRep != nil && r.GeoRep.Words != "" && !strings.Contains(words, r.GeoRep.Words) {
		notes = append(notes, r.GeoRep.Words)
	}
	for i := range notes {
		notes[i] = printable(notes[i])
	}
	return notes
}

// printable is a text that does nothing to a terminal: nodes pass on what others say,
// such as a provider of dynamic DNS.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func brick(b *report.Brick) string {
	switch {
	case b == nil:
		return none
	case b.Size == 0:
		return b.State
	}
	return fmt.Sprintf("%s %d%%", b.State, b.Used*100/b.Size)
}

func web(w report.Web) string {
	switch {
	case w.Code == 0:
		return "no answer"
	case !w.Serving:
		return fmt.Sprintf("%d, not serving", w.Code)
	}
	return fmt.Sprint(w.Code)
}

// pseudo is a version that Go makes of a commit.
var pseudo = regexp.MustCompile(`-([0-9a-f]{7})[0-9a-f]{5}(\+dirty)?$`)

// short is a version in a few letters.
func short(version string) string {
	if m := pseudo.FindStringSubmatch(version); m != nil {
		return m[1] + strings.Replace(m[2], "+dirty", "+", 1)
	}
	return version
}

// Table is a cluster as lines: a column for each thing to know, and below what nodes have
// to say besides. Colour marks how each node is.
func Table(c report.Cluster, colour bool) []string {
	rows := []row{{cells: head}}
	for _, n := range c.Nodes {
		rows = append(rows, rowOf(n))
	}
	width := make([]int, len(head))
	for _, r := range rows {
		for i, cell := range r.cells {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var lines, notes []string
	for at, r := range rows {
		lines = append(lines, aligned(r, width, colour && at > 0))
		for _, note := range r.notes {
			notes = append(notes, r.cells[0]+": "+note)
		}
	}
	if len(notes) > 0 {
		lines = append(append(lines, ""), notes...)
	}
	return lines
}

// stateColumn is the one in colour.
const stateColumn = 2

func aligned(r row, width []int, colour bool) string {
	var line strings.Builder
	for i, cell := range r.cells {
		pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
		if colour && i == stateColumn {
			cell = r.mood.paint(cell)
		}
		line.WriteString(cell + pad)
	}
	return strings.TrimRight(line.String(), " ")
}

// paint colours a text, as terminals have had it since ECMA-48.
func (m mood) paint(text string) string {
	number := map[mood]int{well: 32, atWork: 33, ill: 31}[m] // green, yellow, red
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", number, text)
}
