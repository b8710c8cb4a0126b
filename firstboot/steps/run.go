package steps

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// Run walks the steps until one fails. Tell is called whenever step i of the
// list begins, says what it does, or ends. The error is that of the step that
// failed, or the context's cause when that ended the run; a step cut short like
// this is told as it stood, since it did not fail.
func Run(ctx context.Context, h *host.Host, f node.File, list []Step, tell func(i int, s status.Step)) error {
	for i, step := range list {
		began := h.Clock.Now()
		s := status.Step{Name: step.Name(), State: status.Running}
		tell(i, s)
		end, err := walk(ctx, h, f, step, func(doing string) {
			s.Doing = doing
			tell(i, s)
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		s.State, s.Doing, s.Seconds = end, "", tenths(h.Clock.Now().Sub(began))
		if err != nil {
			s.Error = oneLine(err.Error())
		}
		tell(i, s)
		if err != nil {
			return fmt.Errorf("step %s: %w", step.Name(), err)
		}
	}
	return nil
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

// tenths is a duration as the console shows it.
func tenths(d time.Duration) float64 {
	return math.Round(d.Seconds()*10) / 10
}

// oneLine makes an error fit the console's one line per step.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}
