// Package progress shows long work: a bar on a terminal, plain lines
// elsewhere. Work reports to a Sink and knows nothing of how it is shown.
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
