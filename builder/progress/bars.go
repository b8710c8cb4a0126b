package progress

import (
	"fmt"
	"io"
	"time"
)

// Bars is a Sink that shows the work it is told of.
type Bars struct{ view }

// view is one way to show work.
type view interface {
	Sink
	// Write prints whole lines where they do not disturb what is shown.
	io.Writer
	Close()
}

// New shows work on w: as bars that move when w is a terminal, else as a line
// when a task begins, one whenever both a tenth of it and ten seconds are done,
// and one when it ends. Close it when the work is over.
//
// Until then, everything else meant for w is written to the Bars, in whole
// lines: they come to stand above the bars.
func New(w io.Writer, terminal bool) *Bars {
	if terminal {
		return &Bars{newScreen(w)}
	}
	return &Bars{&lines{w: w, now: time.Now}}
}

// Println prints one line where it does not disturb what is shown.
func (b *Bars) Println(line string) { fmt.Fprintln(b, line) }

// Close stops drawing. All that was written is on w when it returns; what is
// written later goes straight to w. A second call does nothing.
func (b *Bars) Close() { b.view.Close() }
