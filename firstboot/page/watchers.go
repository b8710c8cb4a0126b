package page

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"berries/firstboot/host"
)

// How many may watch at once. Whoever is one too many has the page all the same, and
// loads it anew.
const (
	maxWatchers   = 24
	maxWatchOfOne = 6
)

// watchers are those who watch the cluster. As long as there is one, somebody looks at
// it, for all of them.
type watchers struct {
	clock host.Clock
	every time.Duration
	look  func(context.Context) view

	mu   sync.Mutex
	all  map[*watcher]bool
	stop context.CancelFunc // of the looking
}

// watcher is one who watches.
type watcher struct {
	from netip.Addr
	news chan view // the latest, where he has not taken it yet
}

func newWatchers(clock host.Clock, every time.Duration, look func(context.Context) view) *watchers {
	return &watchers{clock: clock, every: every, look: look, all: map[*watcher]bool{}}
}

// join is nil where there are too many already.
func (w *watchers) join(from netip.Addr) *watcher {
	w.mu.Lock()
	defer w.mu.Unlock()
	same := 0
	for other := range w.all {
		if other.from == from {
			same++
		}
	}
	if len(w.all) >= maxWatchers || same >= maxWatchOfOne {
		return nil
	}
	me := &watcher{from, make(chan view, 1)}
	if w.all[me] = true; len(w.all) == 1 {
		var ctx context.Context
		ctx, w.stop = context.WithCancel(context.Background())
		go w.watch(ctx)
	}
	return me
}

func (w *watchers) leave(me *watcher) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if delete(w.all, me); len(w.all) == 0 {
		w.stop()
	}
}

// watch looks at the cluster until nobody watches any more.
func (w *watchers) watch(ctx context.Context) {
	for ctx.Err() == nil {
		w.tell(w.look(ctx))
		if w.clock.Sleep(ctx, w.every) != nil {
			return
		}
	}
}

// tell gives everybody the news, also those who have not taken the last ones.
func (w *watchers) tell(news view) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		select {
		case <-one.news:
		default:
		}
		one.news <- news
	}
}
