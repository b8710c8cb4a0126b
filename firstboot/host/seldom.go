package host

import (
	"strings"
	"sync"
	"time"
)

// Seldom passes on what Exec.Log is told, but of a command that goes well again and
// again, as in waiting for something, only one line in so much time: the journal of a
// Pi is on its card.
func Seldom(log func(line string), every time.Duration) func(line string) {
	var mu sync.Mutex
	told := map[string]time.Time{}
	return func(line string) {
		mu.Lock()
		defer mu.Unlock()
		cmd, end, _ := strings.Cut(line, logEnd)
		now := time.Now()
		if strings.HasPrefix(end, "ok") {
			if now.Sub(told[cmd]) < every {
				return
			}
			told[cmd] = now
		}
		for cmd, at := range told {
			if now.Sub(at) >= every {
				delete(told, cmd)
			}
		}
		log(line)
	}
}
