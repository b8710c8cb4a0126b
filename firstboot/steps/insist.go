package steps

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berries/firstboot/gluster"
	"berries/firstboot/host"
)

// insist mends what look finds, and waits for what only others can make good, until
// nothing is left. Unlike mendAll it takes as long as it takes: a node that is to
// come may come in an hour. Of several differences it attends to the first.
//
// A mend that worked and changed nothing ends it, without an error: the look after
// Act tells.
func insist(ctx context.Context, h *host.Host, say func(string), look func(ctx context.Context) ([]difference, error)) error {
	p := patience{h: h, say: say}
	tried := map[string]bool{}
	var seen string
	var since time.Time
	for {
		list, err := look(ctx)
		if err != nil || len(list) == 0 {
			return err
		}
		first := list[0]
		if first.what != seen {
			seen, since = first.what, h.Clock.Now()
		}
		words := first.doing
		switch waits := h.Clock.Now().Sub(since) < first.after; {
		case waits:
			words = first.what
		case first.mend == nil:
		case tried[first.what]:
			return nil
		default:
			p.tell(first.doing)
			err := first.mend(ctx)
			later, ok := errors.AsType[*laterError](err)
			if !ok && err != nil {
				return err
			}
			if !ok {
				tried[first.what] = true
				since = h.Clock.Now() // it may take as long to show
				continue
			}
			words = fmt.Sprintf("%s, again and again: %v", first.doing, later)
		}
		if err := p.wait(ctx, words); err != nil {
			return err
		}
	}
}

// laterError is why a mend did not work, where it may well work the next time.
type laterError struct{ error }

func (e *laterError) Unwrap() error { return e.error }

// later has insist try again.
func later(err error) error {
	if err == nil {
		return nil
	}
	return &laterError{err}
}

// patience says what is waited for when that changes, and looks less often the
// longer it takes.
type patience struct {
	h     *host.Host
	say   func(string)
	said  string
	pause time.Duration
	woke  time.Time // after the last pause
}

// lookSeldom is how often it looks in the end. Where a look itself takes long, on a small
// board that is busy, it rests as long as it has looked, but no longer than restMost.
const (
	lookSeldom = 5 * lookEvery
	restMost   = 15 * lookEvery
)

func (p *patience) tell(words string) {
	if words != p.said {
		p.said = words
		p.say(words)
	}
}

func (p *patience) wait(ctx context.Context, words string) error {
	if words != p.said || p.pause == 0 {
		p.pause = lookEvery
	}
	p.tell(words)
	rest := p.pause
	if !p.woke.IsZero() {
		rest = max(rest, min(p.h.Clock.Now().Sub(p.woke), restMost))
	}
	err := p.h.Clock.Sleep(ctx, rest)
	p.woke, p.pause = p.h.Clock.Now(), min(p.pause*5/4, lookSeldom)
	return err
}

// timed is a runner whose commands end in time.
type timed struct {
	host.Runner
	limit time.Duration
}

// errSlow is the end of a command that took too long.
var errSlow = errors.New("it took too long")

// Run implements host.Runner.
func (r timed) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, r.limit, fmt.Errorf("%w: more than %v", errSlow, r.limit))
	defer cancel()
	return r.Runner.Run(ctx, cmd)
}

// How long gluster may take. For a node that has just gone everybody waits up to
// twice the ping timeout; a command that changes something waits for all nodes.
const (
	glusterAnswers = 40 * time.Second
	glusterActs    = 5 * time.Minute
)

// glusterOf asks this node's glusterd.
func glusterOf(h *host.Host, limit time.Duration) gluster.Client {
	return gluster.Client{Runner: timed{h.Runner, limit}}
}

// calmly asks again while another command, here or on another node, holds the volume:
// when three nodes look at it, they come into each other's way.
func calmly[T any](ctx context.Context, h *host.Host, ask func() (T, error)) (T, error) {
	const tries, pause = 10, 700 * time.Millisecond
	for try := 1; ; try++ {
		answer, err := ask()
		if !errors.Is(err, gluster.ErrBusy) || try == tries {
			return answer, err
		}
		if err := h.Clock.Sleep(ctx, pause); err != nil {
			return answer, err
		}
	}
}

// glusterdIs is the difference that lies behind an answer that glusterd has not given
// yet; found is false where err is another.
func glusterdIs(err error) (list []difference, found bool) {
	is := ""
	switch {
	case errors.Is(err, gluster.ErrNotRunning), errors.Is(err, errSlow):
		is = "glusterd does not answer"
	case errors.Is(err, gluster.ErrBusy):
		is = "glusterd is busy"
	default:
		return nil, false
	}
	return []difference{{what: is, doing: "waiting for glusterd"}}, true
}
