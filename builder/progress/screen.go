package progress

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// refreshEvery is the time between two pictures of the bars.
const refreshEvery = 150 * time.Millisecond

// screen shows work as bars on a terminal. It has mpb draw when it says so,
// not by mpb's own clock, because mpb drops lines that were written after its
// last picture.
type screen struct {
	w       io.Writer
	bars    *mpb.Progress
	refresh chan any      // a value makes mpb draw
	gone    chan any      // closed when mpb draws no more
	stop    chan struct{} // closed to stop tick
	stopped sync.WaitGroup
	once    sync.Once
}

func newScreen(w io.Writer) *screen {
	s := &screen{w: w, refresh: make(chan any), gone: make(chan any), stop: make(chan struct{})}
	s.bars = mpb.New(mpb.WithOutput(w), mpb.ForceTTY(), mpb.WithManualRefresh(s.refresh), mpb.WithShutdownNotifier(s.gone))
	s.stopped.Go(s.tick)
	return s
}

func (s *screen) tick() {
	clock := time.NewTicker(refreshEvery)
	defer clock.Stop()
	for {
		select {
		case <-s.stop:
			return
		case <-clock.C:
			s.draw()
		}
	}
}

// draw returns when mpb has begun to draw, or cannot.
func (s *screen) draw() {
	select {
	case s.refresh <- nil:
	case <-s.gone:
	}
}

func (s *screen) Start(label string, total int64) Task {
	m := newMeter(label, total, time.Now())
	status := func(decor.Statistics) string { return m.status(time.Now()) }
	filler := mpb.BarStyle().Build()
	if total == 0 {
		filler = mpb.SpinnerStyle().PositionLeft().Build()
	}
	// Mpb takes a bar that it knows the total of for done at 100%, but there
	// may be checking left to do: the total is only told to the filler.
	b, err := s.bars.Add(0, filler,
		mpb.PrependDecorators(decor.Name(label, decor.WCSyncWidthR)),
		mpb.AppendDecorators(decor.Any(status, decor.WCSyncWidthR)))
	if err != nil {
		return none{} // closed
	}
	b.SetTotal(total, false)
	return &bar{screen: s, drawn: b, meter: m}
}

func (s *screen) Write(p []byte) (int, error) {
	if n, err := s.bars.Write(p); err == nil {
		return n, nil
	}
	return s.w.Write(p)
}

func (s *screen) Close() {
	s.once.Do(func() {
		close(s.stop)
		s.stopped.Wait()
		s.draw()
		s.draw() // begins when the one before is on the terminal
		s.bars.Shutdown()
	})
}

// bar is a task shown by screen.
type bar struct {
	*meter
	screen *screen
	drawn  *mpb.Bar
	once   sync.Once
}

func (b *bar) Add(n int64) {
	b.add(n)
	b.drawn.IncrInt64(n)
}

func (b *bar) Done() {
	b.once.Do(func() {
		fmt.Fprintf(b.screen, "%s: %s\n", b.label, b.end(time.Now()))
		b.drawn.Abort(true)
	})
}
