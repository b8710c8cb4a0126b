package steps

import (
	"context"
	"errors"
	"testing"
	"time"

	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
)

// napping is a clock that remembers how long it slept, and ends after so many naps.
type napping struct {
	hosttest.Clock
	naps []time.Duration
	most int
}

var errEnough = errors.New("enough")

func (n *napping) Sleep(ctx context.Context, d time.Duration) error {
	n.naps = append(n.naps, d)
	if len(n.naps) == n.most {
		return errEnough
	}
	return n.Clock.Sleep(ctx, d)
}

// insisted has insist look at each list once, and at the last one again and again.
func insisted(t *testing.T, most int, looks ...[]difference) (said []string, naps []time.Duration, err error) {
	t.Helper()
	h := hosttest.New(t, nil)
	clock := &napping{most: most}
	h.Host.Clock = clock
	err = insist(t.Context(), h.Host, func(doing string) { said = append(said, doing) }, func(context.Context) ([]difference, error) {
		list := looks[0]
		if len(looks) > 1 {
			looks = looks[1:]
		}
		return list, nil
	})
	return said, clock.naps, err
}

func TestInsistWaitsLongerAndLongerAndSaysSoOnce(t *testing.T) {
	two := []difference{{what: "2 and 3 are missing", doing: "waiting for 2 and 3"}}
	one := []difference{{what: "3 is missing", doing: "waiting for 3"}}
	said, naps, err := insisted(t, 14, two, two, two, one)
	if !errors.Is(err, errEnough) {
		t.Errorf("it ended with %v", err)
	}
	same(t, "said", []string{"waiting for 2 and 3", "waiting for 3"}, said)
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	same(t, "naps before there is news", []time.Duration{ms(2000), ms(2500), ms(3125), ms(2000), ms(2500)}, naps[:5])
	same(t, "last nap", lookSeldom, naps[13])
}

// A look that takes long is followed by as long a rest.
func TestInsistLeavesABusyNodeTime(t *testing.T) {
	h := hosttest.New(t, nil)
	clock := &napping{most: 4}
	h.Host.Clock = clock
	looks := []time.Duration{time.Minute, 0, 7 * time.Second, time.Hour}
	insist(t.Context(), h.Host, func(string) {}, func(ctx context.Context) ([]difference, error) {
		clock.Clock.Sleep(ctx, looks[0])
		looks = looks[1:]
		return []difference{{what: "3 is missing", doing: "waiting for 3"}}, nil
	})
	clock.naps[2] = clock.naps[2].Truncate(time.Second) // each look at this clock takes a moment
	same(t, "naps", []time.Duration{lookEvery, lookEvery * 5 / 4, 7 * time.Second, restMost}, clock.naps)
}

func TestInsistTriesAgainWhatMayWorkLater(t *testing.T) {
	tries := 0
	d := []difference{{what: "it is down", doing: "lifting it", mend: func(context.Context) error {
		if tries++; tries < 3 {
			return later(errors.New("it is heavy"))
		}
		return nil
	}}}
	said, naps, err := insisted(t, 9, d, d, d, nil)
	same(t, "said", []string{"lifting it", "lifting it, again and again: it is heavy", "lifting it", "lifting it, again and again: it is heavy", "lifting it"}, said)
	if err != nil || tries != 3 || len(naps) != 2 {
		t.Errorf("%d tries, naps %v, %v", tries, naps, err)
	}
}

func TestInsistMendsWhatMayPassOnlyWhenItDoesNot(t *testing.T) {
	mended := 0
	slow := []difference{{what: "it is slow", doing: "kicking it", after: 10 * time.Second, mend: func(context.Context) error { mended++; return nil }}}
	if _, _, err := insisted(t, 99, slow, slow, nil); err != nil || mended != 0 {
		t.Errorf("it passed, but was mended %d times, %v", mended, err)
	}
	said, naps, err := insisted(t, 99, slow)
	same(t, "said", []string{"it is slow", "kicking it", "it is slow"}, said)
	var slept time.Duration
	for _, n := range naps {
		slept += n
	}
	if err != nil || mended != 1 || slept < 2*slow[0].after {
		t.Errorf("it was mended %d times, and given up after %v, %v", mended, slept, err)
	}
}

func TestInsistEnds(t *testing.T) {
	broken := errors.New("it broke")
	mended := 0
	tests := []struct {
		name string
		d    difference
		err  error
	}{
		{"at a mend that fails", difference{what: "x", mend: func(context.Context) error { return broken }}, broken},
		{"at a mend that changes nothing", difference{what: "x", mend: func(context.Context) error { mended++; return nil }}, nil},
	}
	for _, tt := range tests {
		if _, _, err := insisted(t, 9, []difference{tt.d}); !errors.Is(err, tt.err) || (err == nil) != (tt.err == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.err)
		}
	}
	if mended != 1 {
		t.Errorf("it was mended %d times", mended)
	}
	err := insist(t.Context(), hosttest.New(t, nil).Host, func(string) {}, func(context.Context) ([]difference, error) { return nil, broken })
	if !errors.Is(err, broken) {
		t.Errorf("at a look that fails: %v", err)
	}
}

// endless is a runner whose commands end when they are stopped.
type endless struct{}

func (endless) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	<-ctx.Done()
	return host.Result{}, &host.CommandError{Cmd: cmd.String(), ExitCode: -1, Err: context.Cause(ctx)}
}

func TestACommandThatTakesTooLongIsAGlusterdThatDoesNotAnswer(t *testing.T) {
	_, err := gluster.Client{Runner: timed{endless{}, time.Millisecond}}.PeerStatus(t.Context())
	list, found := glusterdIs(err)
	if !found || stateOf(list).String() != "glusterd does not answer" {
		t.Errorf("%v: %v", err, stateOf(list))
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stopped)
	_, err = gluster.Client{Runner: timed{endless{}, time.Minute}}.PeerStatus(ctx)
	if _, found := glusterdIs(err); found || !errors.Is(err, stopped) {
		t.Errorf("a run that is stopped: %v", err)
	}
}
