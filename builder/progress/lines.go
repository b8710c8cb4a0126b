package progress

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// A line is printed when both are past since the one before.
const (
	linePercent = 10
	lineEvery   = 10 * time.Second
)

// lines shows work as plain lines, for logs and pipes.
type lines struct {
	mu  sync.Mutex // one line at a time
	w   io.Writer
	now func() time.Time
}

func (l *lines) Start(label string, total int64) Task {
	now := l.now()
	t := &line{lines: l, meter: newMeter(label, total, now), lastTime: now}
	if total > 0 {
		t.print(Bytes(total))
	} else {
		t.print("started")
	}
	return t
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (l *lines) Close() {}

// line is a task shown by lines.
type line struct {
	*lines
	*meter
	once sync.Once

	mu          sync.Mutex // guards what the last line said
	lastTime    time.Time
	lastPercent int
}

func (t *line) Add(n int64) {
	t.add(n)
	now, percent := t.now(), t.percent()
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.lastTime) < lineEvery || t.total > 0 && percent < t.lastPercent+linePercent || percent == 100 {
		return // the end has a line of its own
	}
	t.lastTime, t.lastPercent = now, percent
	t.print(t.status(now))
}

func (t *line) Done() {
	t.once.Do(func() { t.print(t.end(t.now())) })
}

func (t *line) print(text string) { fmt.Fprintf(t.lines, "%s: %s\n", t.label, text) }
