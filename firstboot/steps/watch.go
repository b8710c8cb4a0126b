package steps

import (
	"context"
	"errors"
	"slices"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

const (
	// watchEvery is how often a node that is ready is looked at. A look takes a few
	// commands and writes nothing.
	watchEvery = 30 * time.Second
	// newsSettle keeps nodes that change again and again from being looked at all
	// the time.
	newsSettle = 3 * time.Second
	// againEvery is how soon a step that has failed is tried again.
	againEvery = 15 * time.Second
	// sparedEvery is how often a spared step that has failed is tried again.
	sparedEvery = 5 * time.Minute
)

// Watch looks at a node that is ready again and again: soon after there are news of
// other nodes, and every half minute without. Err is how Run ended. Only steps that the
// world outside can undo are looked at. When one does not hold any more, that step and
// those behind it are walked until all of them hold.
//
// Spared steps are looked at too, each by itself and after the others. One that fails is
// not looked at before it is tried again, news or not; for the first time that is soon,
// since at boot the network may have come up late. Watch ends with the context, and
// returns its cause.
func Watch(ctx context.Context, h *host.Host, f node.File, list []Step, err error, news <-chan struct{}, tell func(i int, s status.Step)) error {
	w := watch{walker{h, f, list, nil}, map[int]time.Time{}, notesSoFar(h, list)}
	w.tell = func(i int, s status.Step) {
		w.notes[i] = s.Note
		tell(i, s)
	}
	failed, _ := errors.AsType[failures](err)
	for _, one := range failed {
		w.again[one.i] = time.Time{}
	}
	for ctx.Err() == nil {
		if err := pause(ctx, h, news); err != nil {
			return err
		}
		if err := w.needed(ctx); err != nil {
			return err
		}
		w.spared(ctx)
	}
	return context.Cause(ctx)
}

// notesSoFar is what each step had to say when it was walked, which may not hold any more.
func notesSoFar(h *host.Host, list []Step) map[int]string {
	notes := map[int]string{}
	s, err := status.Read(h.Files)
	if err != nil { // which is told of where it is written
		return notes
	}
	for _, told := range s.Steps {
		if i := slices.IndexFunc(list, func(s Step) bool { return s.Name() == told.Name }); i >= 0 {
			notes[i] = told.Note
		}
	}
	return notes
}

// watch is a node that is watched.
type watch struct {
	walker
	again map[int]time.Time // when a spared step that has failed is tried again
	notes map[int]string    // what each step had to say
}

// needed looks at the steps that are not spared, and walks them until all of them hold.
// What those that do have to say now is told.
func (w watch) needed(ctx context.Context) error {
	first := w.undone(ctx)
	for i := dependent(w.list); i < first; i++ {
		if note := noteOf(ctx, w.h, w.f, w.list[i]); note != w.notes[i] && ctx.Err() == nil {
			w.tell(i, status.Step{Name: w.list[i].Name(), State: status.AlreadyDone, Note: note})
		}
	}
	for first < len(w.list) && ctx.Err() == nil && w.walkFrom(ctx, first) != nil {
		if err := w.h.Clock.Sleep(ctx, againEvery); err != nil {
			return err
		}
	}
	return nil
}

// undone is the index of the first step that does not hold, or that cannot be looked at.
func (w watch) undone(ctx context.Context) int {
	for i := dependent(w.list); i < len(w.list); i++ {
		if IsSpared(w.list[i]) {
			continue
		}
		if state, err := w.list[i].Look(ctx, w.h, w.f); err != nil || !state.Holds() {
			return i
		}
	}
	return len(w.list)
}

// walkFrom walks the steps from first on that are not spared, until one fails.
func (w watch) walkFrom(ctx context.Context, first int) error {
	for i := first; i < len(w.list); i++ {
		if IsSpared(w.list[i]) {
			continue
		}
		if err := w.step(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

// spared looks at the spared steps, and walks those that do not hold.
func (w watch) spared(ctx context.Context) {
	for i, step := range w.list {
		at, failed := w.again[i]
		if !IsSpared(step) || failed && w.h.Clock.Now().Before(at) {
			continue
		}
		if !failed {
			if state, err := step.Look(ctx, w.h, w.f); err == nil && state.Holds() {
				continue
			}
		}
		if ctx.Err() != nil {
			return
		}
		if err := w.step(ctx, i); err != nil {
			w.again[i] = w.h.Clock.Now().Add(againAfter(step))
		} else {
			delete(w.again, i)
		}
	}
}

// Impatient is a Spared step that is tried again sooner than others when it has failed.
type Impatient interface {
	Spared
	Again() time.Duration
}

// againAfter is how long a spared step that has failed is left alone.
func againAfter(s Step) time.Duration {
	if i, is := s.(Impatient); is {
		return i.Again()
	}
	return sparedEvery
}

// dependent is the index of the first step that the world outside can undo.
func dependent(list []Step) int {
	for i, s := range list {
		switch s.(type) {
		case Tunnel, Peers:
			return i
		}
	}
	return len(list)
}

// pause ends soon after there are news, or when it is time.
func pause(ctx context.Context, h *host.Host, news <-chan struct{}) error {
	quiet, wake := context.WithCancel(ctx)
	defer wake()
	go func() {
		select {
		case <-news:
			wake()
		case <-quiet.Done():
		}
	}()
	if err := h.Clock.Sleep(quiet, watchEvery); err == nil {
		return nil
	}
	return h.Clock.Sleep(ctx, newsSettle)
}
