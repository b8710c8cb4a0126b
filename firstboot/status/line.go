package status

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// prefix begins every line; what comes before it on a console (the journal's
// "berry-firstboot[312]: ", a kernel's time stamp) is not ours.
const prefix = "berry-firstboot: "

// Line is one line on the console: how a step ended, or that every step holds that
// others need.
//
//	berry-firstboot: step 1/2 identity: done (0.1s)
//	berry-firstboot: step 2/2 card: already done (0.0s)
//	berry-firstboot: step 2/2 tunnel: done (6.1s); balancer does not answer at www.example.org, UDP port 51820
//	berry-firstboot: step 2/2 card: failed: no partition is labelled berry-brick
//	berry-firstboot: ready
type Line struct {
	// Ready is the last of the lines above, with all other fields empty. Only lines of
	// spared steps follow it.
	Ready  bool
	Number int // of the step, from 1
	Total  int // how many steps this node has
	Step   Step
}

// String is the line without its end.
func (l Line) String() string { return prefix + l.Text() }

// Text is the line without the program's name. A step that has not ended gets no
// line on the console; its Text says what it does.
func (l Line) Text() string {
	if l.Ready {
		return "ready"
	}
	head := fmt.Sprintf("step %d/%d %s: ", l.Number, l.Total, l.Step.Name)
	switch l.Step.State {
	case Failed:
		return head + string(Failed) + ": " + l.Step.Error
	case Done, AlreadyDone:
		text := fmt.Sprintf("%s%s (%.1fs)", head, l.Step.State, l.Step.Seconds)
		if l.Step.Note != "" {
			text += "; " + l.Step.Note
		}
		return text
	case Running:
		return head + cmp.Or(l.Step.Doing, string(Running))
	}
	return head + string(l.Step.State)
}

// ParseLine is the inverse of String. The line may have anything before our
// prefix and white space at its end, as a console has; ok is false for a line
// that is none of ours.
func ParseLine(line string) (l Line, ok bool) {
	_, text, found := strings.Cut(line, prefix)
	text = strings.TrimRight(text, " \t\r\n")
	if !found || text == "ready" {
		return Line{Ready: found}, found
	}
	text, isStep := strings.CutPrefix(text, "step ")
	place, text, _ := strings.Cut(text, " ")
	number, total, _ := strings.Cut(place, "/")
	l.Number, l.Total = atoi(number), atoi(total)
	l.Step.Name, text, ok = strings.Cut(text, ": ")
	if !isStep || !ok || l.Number < 1 || l.Number > l.Total || l.Step.Name == "" {
		return Line{}, false
	}
	if reason, failed := strings.CutPrefix(text, string(Failed)+":"); failed {
		l.Step.State, l.Step.Error = Failed, strings.TrimPrefix(reason, " ")
		return l, true
	}
	return ended(l, text)
}

// ended reads "done (0.1s)", or "done (0.1s); a note".
func ended(l Line, text string) (Line, bool) {
	state, took, _ := strings.Cut(text, " (")
	took, note, whole := strings.Cut(took, "s)")
	note, noted := strings.CutPrefix(note, "; ")
	seconds, err := strconv.ParseFloat(took, 64)
	if !whole || noted != (note != "") || err != nil || !(seconds >= 0) || State(state) != Done && State(state) != AlreadyDone {
		return Line{}, false
	}
	l.Step.State, l.Step.Seconds, l.Step.Note = State(state), seconds, note
	return l, true
}

// atoi is 0 for what is no number.
func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0
	}
	return n
}
