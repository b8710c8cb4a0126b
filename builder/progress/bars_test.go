package progress

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clock is a clock that a test moves on.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

// plain is Bars that print lines, by a clock that the test moves on.
func plain() (*Bars, *bytes.Buffer, *clock) {
	out := new(bytes.Buffer)
	c := &clock{time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)}
	return &Bars{&lines{w: out, now: c.now}}, out, c
}

func TestLines(t *testing.T) {
	const MB = 1_000_000
	tests := map[string]struct {
		total int64
		step  int64         // bytes at a time
		every time.Duration // time per step
		steps int
		want  string
	}{
		"a slow download has a line for each tenth": {500 * MB, 5 * MB, 3 * time.Second, 100, `
download x: 500.0 MB
download x: 10% of 500.0 MB, 1.7 MB/s, 4m30s left
download x: 20% of 500.0 MB, 1.7 MB/s, 4m0s left
download x: 30% of 500.0 MB, 1.7 MB/s, 3m30s left
download x: 40% of 500.0 MB, 1.7 MB/s, 3m0s left
download x: 50% of 500.0 MB, 1.7 MB/s, 2m30s left
download x: 60% of 500.0 MB, 1.7 MB/s, 2m0s left
download x: 70% of 500.0 MB, 1.7 MB/s, 1m30s left
download x: 80% of 500.0 MB, 1.7 MB/s, 1m0s left
download x: 90% of 500.0 MB, 1.7 MB/s, 30s left
download x: 500.0 MB in 5m0s, 1.7 MB/s
`},
		"a quick one has a line every ten seconds": {2000 * MB, 50 * MB, time.Second, 40, `
download x: 2.00 GB
download x: 25% of 2.00 GB, 50.0 MB/s, 30s left
download x: 50% of 2.00 GB, 50.0 MB/s, 20s left
download x: 75% of 2.00 GB, 50.0 MB/s, 10s left
download x: 2.00 GB in 40s, 50.0 MB/s
`},
		"a short one begins and ends": {700, 700, 2 * time.Second, 1, `
download x: 700 B
download x: 700 B in 2.0s, 350 B/s
`},
		"one that took no time has no rate": {700_000, 700_000, 0, 1, `
download x: 700.0 kB
download x: 700.0 kB in 0.0s
`},
		"one of unknown size": {0, 20 * MB, 4 * time.Second, 6, `
download x: started
download x: 60.0 MB, 12s, 5.0 MB/s
download x: 120.0 MB, 24s, 5.0 MB/s
download x: 120.0 MB in 24s, 5.0 MB/s
`},
		"one without bytes": {0, 0, time.Second, 3, `
download x: started
download x: 3.0s
`},
		"one that fails": {500 * MB, 40 * MB, time.Second, 2, `
download x: 500.0 MB
download x: stopped at 80.0 MB of 500.0 MB
`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bars, out, clock := plain()
			task := bars.Start("download x", tt.total)
			for range tt.steps {
				clock.advance(tt.every)
				task.Add(tt.step)
			}
			task.Done()
			task.Done() // does nothing
			bars.Close()
			if diff := cmp.Diff(tt.want[1:], out.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLinesOfSeveralTasks(t *testing.T) {
	bars, out, clock := plain()
	a := bars.Start("a", 100)
	b := bars.Start("b", 200)
	clock.advance(20 * time.Second)
	a.Add(50)
	bars.Println("a remark")
	b.Add(200)
	b.Done()
	a.Done()
	const want = `a: 100 B
b: 200 B
a: 50% of 100 B, 2 B/s, 20s left
a remark
b: 200 B in 20s, 10 B/s
a: stopped at 50 B of 100 B
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

// terminal shows what a person would see: it knows lines, and the one escape
// sequence that mpb uses, "go n lines up and erase from there".
type terminal struct {
	mu    sync.Mutex
	lines []string
	most  int // lines there were at most at one time
}

var upAndErase = regexp.MustCompile(`^\x1b\[(\d+)A\x1b\[J`)

func (t *terminal) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for rest := string(p); rest != ""; {
		if m := upAndErase.FindStringSubmatch(rest); m != nil {
			n, _ := strconv.Atoi(m[1])
			t.lines = t.lines[:len(t.lines)-n]
			rest = rest[len(m[0]):]
			continue
		}
		text, after, _ := strings.Cut(rest, "\n")
		t.lines, rest = append(t.lines, text), after
		t.most = max(t.most, len(t.lines))
	}
	return len(p), nil
}

func (t *terminal) text() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var text strings.Builder
	for _, line := range t.lines {
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return text.String()
}

func TestBarsMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tty := new(terminal)
		bars := New(tty, true)
		known := bars.Start("download raspios.img.xz", 500_000_000)
		unknown := bars.Start("wait", 0)
		known.Add(100_000_000)
		time.Sleep(4 * time.Second)
		bars.Println("a remark")
		time.Sleep(refreshEvery)
		const want = `a remark
download raspios.img.xz [==>--------------] 20% of 500.0 MB, 24.7 MB/s, 16s left
wait                    ⠦                   4.0s
`
		if diff := cmp.Diff(want, tty.text()); diff != "" {
			t.Errorf("after 4 s (-want +got):\n%s", diff)
		}
		unknown.Done()
		known.Add(400_000_000)
		time.Sleep(850 * time.Millisecond)
		known.Done()
		bars.Close()
		const end = `a remark
wait: 4.2s
download raspios.img.xz: 500.0 MB in 5.0s, 100.0 MB/s
`
		if diff := cmp.Diff(end, tty.text()); diff != "" {
			t.Errorf("at the end (-want +got):\n%s", diff)
		}
	})
}

func TestNothingIsLostAboveBars(t *testing.T) {
	tty := new(terminal)
	bars := New(tty, true)
	var want []string
	var work sync.WaitGroup
	for i := range 20 {
		label := fmt.Sprintf("task %02d", i)
		want = append(want, label+" says something", label+": 10 B in ")
		work.Go(func() {
			task := bars.Start(label, 10)
			for range 10 {
				time.Sleep(time.Duration(i) * time.Millisecond)
				task.Add(1)
			}
			bars.Println(label + " says something")
			task.Done()
		})
	}
	work.Wait()
	bars.Close()
	bars.Close()
	bars.Println("after the end")
	bars.Start("too late", 1).Done()
	want = append(want, "after the end")
	got := tty.lines
	for i, line := range got {
		before, _, found := strings.Cut(line, " in ")
		if found {
			got[i] = before + " in "
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("on the terminal (-want +got):\n%s", diff)
	}
	if tty.most < 20 {
		t.Errorf("got at most %d lines at one time: the bars were never there", tty.most)
	}
}
