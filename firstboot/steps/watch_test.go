package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// limited is a clock that ends the test after so many sleeps.
type limited struct {
	hosttest.Clock
	left   int
	sleeps []time.Duration
	end    context.CancelCauseFunc
}

// now is how far the clock is.
func (l *limited) now() (slept time.Duration) {
	for _, d := range l.sleeps {
		slept += d
	}
	return slept
}

var errOver = errors.New("the test is over")

func (l *limited) Sleep(ctx context.Context, d time.Duration) error {
	l.sleeps = append(l.sleeps, d)
	if l.left--; l.left < 0 {
		l.end(errOver)
	}
	return l.Clock.Sleep(ctx, d)
}

// watched runs Watch over a step that cannot be undone, the peers, and the step
// play, for so many sleeps, and gives what was told.
func watched(t *testing.T, sleeps int, p *play) ([]string, *limited) {
	t.Helper()
	h := hosttest.New(t, map[string]string{"/etc/hosts": allThree})
	ctx, end := context.WithCancelCause(t.Context())
	clock := &limited{left: sleeps, end: end}
	h.Host.Clock = clock
	never := &play{look: errors.New("it must not be looked at"), looks: []State{nil, nil, nil, nil}}
	var told []string
	err := Watch(ctx, h.Host, three(), []Step{never, Peers{seen("cluster02"), book(t)}, p}, nil, nil,
		func(i int, s status.Step) { told = append(told, fmt.Sprintf("%d %s%s", i, s.State, s.Error)) })
	if !errors.Is(err, errOver) {
		t.Errorf("it ended with %v", err)
	}
	return told, clock
}

func TestWatchSaysNothingWhileEverythingHolds(t *testing.T) {
	told, clock := watched(t, 2, &play{looks: []State{nil, nil}})
	if told != nil {
		t.Errorf("told %v", told)
	}
	if diff := cmp.Diff([]time.Duration{watchEvery, watchEvery, watchEvery, newsSettle}, clock.sleeps); diff != "" {
		t.Errorf("slept (-want +got):\n%s", diff)
	}
}

func TestWatchMendsWhatDoesNotHoldAnyMore(t *testing.T) {
	told, _ := watched(t, 2, &play{looks: []State{{"it fell"}, {"it fell"}, nil, nil}, act: works})
	want := []string{"2 running", "2 done"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestWatchTriesAgainUntilAllHolds(t *testing.T) {
	broken := true
	p := &play{looks: []State{{"it fell"}, {"it fell"}, {"it fell"}, nil, nil}, act: func(func(string)) error {
		if broken {
			broken = false
			return errors.New("it is stuck")
		}
		return nil
	}}
	told, clock := watched(t, 3, p)
	want := []string{"2 running", "2 failedit is stuck", "2 running", "2 done"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	if clock.sleeps[1] != againEvery {
		t.Errorf("it tried again after %v", clock.sleeps[1])
	}
}

// talker is a step that holds, and has something to say.
type talker struct {
	*play
	notes []string
}

func (n *talker) Note(context.Context, *host.Host, node.File) string {
	note := n.notes[0]
	if len(n.notes) > 1 {
		n.notes = n.notes[1:]
	}
	return note
}

func TestWatchTellsANoteThatChanges(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/etc/hosts": allThree})
	ctx, end := context.WithCancelCause(t.Context())
	h.Host.Clock = &limited{left: 5, end: end}
	n := &talker{&play{looks: []State{nil}}, []string{"", "", "it is silent", "it is silent", ""}}
	list := []Step{Peers{seen("cluster02"), book(t)}, n}
	var told []string
	tell := func(i int, s status.Step) {
		told = append(told, strings.TrimSpace(fmt.Sprintf("%d %s %s", i, s.State, s.Note)))
	}
	if err := Run(ctx, h.Host, three(), list, tell); err != nil {
		t.Fatal(err)
	}
	if err := Watch(ctx, h.Host, three(), list, nil, nil, tell); !errors.Is(err, errOver) {
		t.Errorf("it ended with %v", err)
	}
	want := []string{"0 running", "0 already done", "1 running", "1 already done",
		"1 already done it is silent", "1 already done"}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// What was so when the node came up may be otherwise when it is looked at.
func TestWatchTellsWhenANoteOfTheWalkHoldsNoMore(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/etc/hosts": allThree,
		status.Path: `{"steps":[{"name":"peers","state":"done"},{"name":"play","state":"done","note":"nothing heard from cluster04"}]}`})
	ctx, end := context.WithCancelCause(t.Context())
	h.Host.Clock = &limited{left: 2, end: end}
	list := []Step{Peers{seen("cluster02"), book(t)}, &talker{&play{looks: []State{nil}}, []string{"nothing heard from cluster04", ""}}}
	var told []string
	err := Watch(ctx, h.Host, three(), list, nil, nil, func(i int, s status.Step) {
		told = append(told, fmt.Sprintf("%d %s %q", i, s.State, s.Note))
	})
	if want := []string{`1 already done ""`}; !errors.Is(err, errOver) || !slices.Equal(told, want) {
		t.Errorf("%v, told %q, want %q", err, told, want)
	}
}

// watchedSpared is watched with steps that are spared, of which those have failed.
func watchedSpared(t *testing.T, sleeps int, list []Step, failed ...int) []string {
	t.Helper()
	h := hosttest.New(t, map[string]string{"/etc/hosts": allThree})
	ctx, end := context.WithCancelCause(t.Context())
	clock := &limited{left: sleeps, end: end}
	h.Host.Clock = clock
	var before failures
	for _, i := range failed {
		before = append(before, failure{i, list[i], errors.New("it is dark")})
	}
	var told []string
	err := Watch(ctx, h.Host, three(), list, before, nil, func(i int, s status.Step) {
		if s.State != status.Running {
			told = append(told, fmt.Sprintf("%v %d %s", clock.now().Round(10*time.Second), i, s.State))
		}
	})
	if !errors.Is(err, errOver) {
		t.Errorf("it ended with %v", err)
	}
	return told
}

func TestASparedStepIsTriedAgainSoonAndThenSeldom(t *testing.T) {
	dark := luxury{&play{looks: []State{nil}, look: errors.New("it is dark")}}
	whole := luxury{&play{looks: []State{nil}}}
	got := watchedSpared(t, 24, []Step{Peers{seen("cluster02"), book(t)}, dark, whole}, 1)
	want := []string{"30s 1 failed", "5m30s 1 failed", "10m30s 1 failed"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

func TestASparedStepComesBack(t *testing.T) {
	back := luxury{&play{looks: []State{nil}}}
	fell := luxury{&play{looks: []State{nil, {"it fell"}, {"it fell"}, nil}, act: works}}
	got := watchedSpared(t, 5, []Step{Peers{seen("cluster02"), book(t)}, back, fell}, 1)
	want := []string{"30s 1 already done", "1m0s 2 done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}

// A step that others need falls while a spared one, before it in the list, has failed.
func TestASparedStepKeepsNobodyFromBeingMended(t *testing.T) {
	dark := luxury{&play{looks: []State{nil}, look: errors.New("it is dark")}}
	fell := &play{looks: []State{nil, {"it fell"}, {"it fell"}, nil}, act: works}
	got := watchedSpared(t, 5, []Step{Peers{seen("cluster02"), book(t)}, dark, fell}, 1)
	want := []string{"30s 1 failed", "1m0s 2 done"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
}
