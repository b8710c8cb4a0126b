// Package progress shows long work: a bar on a terminal, plain lines
// elsewhere. Work reports to a Sink and knows nothing of how it is shown.
//
// Data flow: Bars, the Sink that shows, keeps a meter per task; the meter turns
// bytes and the clock into a rate and the time left; a screen draws it as a
// moving bar (mpb), or lines prints it now and then. Whatever else is printed
// meanwhile has to go through Bars as well, which keeps it apart from the bars.
package progress

// Sink is told of long work. Its methods may be called from many goroutines.
type Sink interface {
	// Start begins one piece of work, such as "download raspios.img.xz". Total
	// is its size in bytes, or 0 when it is not known.
	Start(label string, total int64) Task
}

// Task is one piece of work under way.
type Task interface {
	Add(n int64) // n more bytes are done
	Done()       // it is over, well or not; a second call does nothing
}

// None is a Sink that shows nothing.
var None Sink = none{}

type none struct{}

func (none) Start(string, int64) Task { return none{} }
func (none) Add(int64)                {}
func (none) Done()                    {}
