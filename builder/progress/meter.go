package progress

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// meter knows how far one task is.
type meter struct {
	label string
	total int64 // bytes; 0 when not known
	began time.Time

	mu    sync.Mutex
	done  int64
	marks []mark // of the last few seconds, oldest first
}

// mark is how far the task was at a moment.
type mark struct {
	at   time.Time
	done int64
}

// window is the time over which the current rate is taken.
const window = 5 * time.Second

func newMeter(label string, total int64, now time.Time) *meter {
	return &meter{label: label, total: total, began: now, marks: []mark{{at: now}}}
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += n
}

// percent is how much of the total is done, 0 to 100.
func (m *meter) percent() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total == 0 {
		return 0
	}
	return int(min(m.done, m.total) * 100 / m.total)
}

// status says how far the task is: "42% of 513.0 MB, 38.0 MB/s, 8s left".
func (m *meter) status(now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	rate := m.rate(now)
	if m.total == 0 {
		parts := []string{seconds(now.Sub(m.began))}
		if m.done > 0 {
			parts = []string{Bytes(m.done), parts[0], Bytes(int64(rate)) + "/s"}
		}
		return strings.Join(parts, ", ")
	}
	done := min(m.done, m.total)
	text := fmt.Sprintf("%d%% of %s, %s/s", done*100/m.total, Bytes(m.total), Bytes(int64(rate)))
	if left := float64(m.total-done) / rate; rate > 0 && left < 100*3600 {
		text += ", " + seconds(time.Duration(left*float64(time.Second))) + " left"
	}
	return text
}

// rate is bytes per second over the last window, and takes a mark.
func (m *meter) rate(now time.Time) float64 {
	for len(m.marks) > 1 && now.Sub(m.marks[1].at) >= window {
		m.marks = m.marks[1:]
	}
	first := m.marks[0]
	m.marks = append(m.marks, mark{now, m.done})
	took := now.Sub(first.at).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(m.done-first.done) / took
}

// end says how the task ended: "513.0 MB in 12s, 42.8 MB/s".
func (m *meter) end(now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	took := now.Sub(m.began)
	switch {
	case m.done < m.total:
		return fmt.Sprintf("stopped at %s of %s", Bytes(m.done), Bytes(m.total))
	case m.done == 0:
		return seconds(took)
	case took < 100*time.Millisecond: // too short to tell a rate
		return Bytes(m.done) + " in " + seconds(took)
	}
	rate := float64(m.done) / took.Seconds()
	return fmt.Sprintf("%s in %s, %s/s", Bytes(m.done), seconds(took), Bytes(int64(rate)))
}

// Bytes is a size as progress shows it, in decimal units: "513.0 MB".
func Bytes(n int64) string {
	switch {
	case n < 1e3:
		return fmt.Sprintf("%d B", n)
	case n < 1e6:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/1e9)
}

// seconds is a duration as progress shows it: "1.4s", "42s", "3m5s".
func seconds(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return d.Round(time.Second).String()
}
