package peers

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// watch looks at this node's own addresses, and has everything done anew when they
// change.
func (s *Service) watch(ctx context.Context) {
	for pause(ctx, lookEvery, nil) {
		if s.look() {
			s.table.hurry(s.clock.Now())
			for _, w := range []wake{s.announcing, s.browsing, s.asking, s.hosting} {
				w.up()
			}
		}
	}
}

// look reads this node's addresses, and tells whether they have changed.
func (s *Service) look() bool {
	links, err := s.net.links()
	if err != nil {
		s.log(fmt.Sprintf("cannot read this node's addresses: %v", err))
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.EqualFunc(links, s.links, Link.equal) {
		return false
	}
	s.links = links
	return true
}

// current are this node's interfaces as last looked at.
func (s *Service) current() []Link {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links
}

// announce keeps this node announced by mDNS.
func (s *Service) announce(ctx context.Context) {
	failed := ""
	for ctx.Err() == nil {
		stop, err := s.net.announce(s.self, s.current())
		failed = s.complain(failed, "cannot announce this node", err)
		every := announceEvery
		if err != nil {
			every = browseEvery
		}
		_ = pause(ctx, settle, nil) && pause(ctx, every, s.announcing)
		stop()
	}
}

// browse keeps looking for other nodes by mDNS.
func (s *Service) browse(ctx context.Context) {
	failed := ""
	for ctx.Err() == nil {
		inner, cancel := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- s.net.browse(inner, s.current(), s.sighted) }()
		every := browseSeldom
		if s.missing() {
			every = browseEvery
		}
		_ = pause(ctx, settle, nil) && pause(ctx, every, s.browsing)
		cancel()
		failed = s.complain(failed, "cannot look for other nodes", <-done)
	}
}

// missing tells whether a node that the builder knew of does not answer.
func (s *Service) missing() bool {
	return slices.ContainsFunc(s.self.Known, func(k Known) bool {
		return k.Name != s.self.Name && !s.table.answers(k.Name)
	})
}

// complain logs an error that differs from the last one, and returns it for the
// next time.
func (s *Service) complain(last, what string, err error) string {
	if err == nil {
		return ""
	}
	if line := fmt.Sprintf("%s: %v", what, err); line != last {
		s.log(line)
		return line
	}
	return last
}

// wake ends somebody's pause.
type wake chan struct{}

func newWake() wake { return make(wake, 1) }

func (w wake) up() {
	select {
	case w <- struct{}{}:
	default:
	}
}

// pause waits for a time, or until woken. It is false when the context has ended.
func pause(ctx context.Context, d time.Duration, w wake) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-w:
	case <-ctx.Done():
	}
	return ctx.Err() == nil
}
