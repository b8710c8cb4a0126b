//go:build lab

package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/firstboot/status"
	"berries/testimages/lab/labtest"
)

// The limits of what nodes do by themselves, on a busy machine.
const (
	setUpLimit = 10 * time.Minute // with all packages to be installed
	bootLimit  = 2 * time.Minute
	askLimit   = 30 * time.Second
)

var names = []string{"cluster01", "cluster02", "cluster03"}

// TestLab brings three nodes up and does to them whatever a lab can do. The parts
// build upon each other: booting takes the time.
func TestLab(t *testing.T) {
	before := mounts(t)
	l, err := New(t.Context(), filepath.Join(t.TempDir(), "lab"), labtest.Images(labtest.Folder(t), names...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // where a part has ended the test
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	began := time.Now()
	startAll(t, l)
	ready(t, l, setUpLimit, names...)
	t.Logf("three nodes set up after %.1fs", time.Since(began).Seconds())
	for _, part := range []struct {
		name string
		do   func(*testing.T, *Lab)
	}{
		{"every step of every node holds, and nothing has failed", lookAtNodes},
		{"whoever opens the folder sees the same lab", openAgain},
		{"nodes know each other by mDNS", askForNames},
		{"a node that was shut down finds everything done", shutDown},
		{"a power cut leaves nothing running, and the card as it was", cutPower},
		{"a node that was wiped is a new one, also when it is cut amid its steps", wipe},
		{"a node whose cable is out is not heard", pullCable},
		{"a renumbered node is at its new address, and no longer at the old", renumber},
		{"Down leaves no trace", func(t *testing.T, l *Lab) { takeDown(t, l, before) }},
	} {
		if !t.Run(part.name, func(t *testing.T) { part.do(t, l) }) {
			return
		}
	}
}

func startAll(t *testing.T, l *Lab) {
	t.Helper()
	var all errgroup.Group
	for _, name := range names {
		all.Go(func() error { return l.Start(t.Context(), name) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T, l *Lab, limit time.Duration, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), limit, fmt.Errorf("not within %v", limit))
	defer cancel()
	if err := l.WaitReady(ctx, names...); err != nil {
		t.Fatal(err)
	}
}

// ask runs a shell script on a node, and gives what it printed.
func ask(t *testing.T, l *Lab, name, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	res, err := l.Exec(ctx, name, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(res.Stdout))
}

// within waits until something holds.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	for began := time.Now(); !holds(); time.Sleep(100 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
}

// steps are the states of a node's steps, and how often it was started.
func steps(t *testing.T, l *Lab, name string) (states map[string]status.State, starts int) {
	t.Helper()
	s, err := l.Status(name)
	if err != nil {
		t.Fatal(err)
	}
	states = map[string]status.State{}
	for _, step := range s.Steps {
		states[step.Name] = step.State
	}
	return states, s.Starts
}
