package steps

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// Run walks the steps until one fails that is not Spared. Tell is called whenever step i
// of the list begins, says what it does, or ends. The error holds all that failed, or is
// the context's cause when that ended the run; a step cut short like this is told as it
// stood, since it did not fail.
func Run(ctx context.Context, h *host.Host, f node.File, list []Step, tell func(i int, s status.Step)) error {
	w := walker{h, f, list, tell}
	var failed failures
	for i, step := range list {
		err := w.step(ctx, i)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			failed = append(failed, failure{i, step, err})
		}
		if err != nil && !IsSpared(step) {
			break
		}
	}
	if failed == nil {
		return nil
	}
	return failed
}

// failures are the steps of a walk that have failed, and why. Only the last one can be
// another than a spared one.
type failures []failure

type failure struct {
	i    int // in the list
	step Step
	err  error
}

func (f failures) Error() string {
	var words []string
	for _, one := range f {
		words = append(words, fmt.Sprintf("step %s: %v", one.step.Name(), one.err))
	}
	return strings.Join(words, "; ")
}

// Unwrap gives errors.Is what they are.
func (f failures) Unwrap() []error {
	var list []error
	for _, one := range f {
		list = append(list, one.err)
	}
	return list
}

// Spares tells whether a walk that ended with err leaves a node that is ready: nothing
// has failed, or nothing but spared steps.
func Spares(err error) bool {
	f, failed := errors.AsType[failures](err)
	return err == nil || failed && IsSpared(f[len(f)-1].step)
}

// walker walks the steps of a node.
type walker struct {
	h    *host.Host
	f    node.File
	list []Step
	tell func(i int, s status.Step)
}

// step walks step i, and tells how that goes.
func (w walker) step(ctx context.Context, i int) error {
	began := w.h.Clock.Now()
	s := status.Step{Name: w.list[i].Name(), State: status.Running}
	w.tell(i, s)
	end, err := walk(ctx, w.h, w.f, w.list[i], func(doing string) {
		s.Doing = doing
		w.tell(i, s)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.State, s.Doing, s.Seconds = end, "", tenths(w.h.Clock.Now().Sub(began))
	if err != nil {
		s.Error = oneLine(err.Error())
	} else {
		s.Note = noteOf(ctx, w.h, w.f, w.list[i])
	}
	w.tell(i, s)
	return err
}

// walk looks, acts where something differs, and looks again.
func walk(ctx context.Context, h *host.Host, f node.File, step Step, say func(string)) (status.State, error) {
	state, err := step.Look(ctx, h, f)
	if err != nil {
		return status.Failed, err
	}
	if state.Holds() {
		return status.AlreadyDone, nil
	}
	if err := step.Act(ctx, h, f, say); err != nil {
		return status.Failed, err
	}
	state, err = step.Look(ctx, h, f)
	if err != nil {
		return status.Failed, err
	}
	if !state.Holds() {
		return status.Failed, fmt.Errorf("still not as it should be: %s", state)
	}
	return status.Done, nil
}

// noteOf is what a step that holds has to say.
func noteOf(ctx context.Context, h *host.Host, f node.File, step Step) string {
	if n, ok := step.(Noter); ok {
		return oneLine(n.Note(ctx, h, f))
	}
	return ""
}

// tenths is a duration as the console shows it.
func tenths(d time.Duration) float64 {
	return math.Round(d.Seconds()*10) / 10
}

// oneLine makes an error fit the console's one line per step.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
