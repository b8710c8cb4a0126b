//go:build lab

package clustertest

import (
	"slices"
	"testing"
	"time"

	"berries/firstboot/status"
)

// cut is a power cut that is to come.
type cut struct {
	name string
	at   time.Duration // after the nodes were switched on; or, where installed is true,
	// after this node had its packages, which take most of the time
	installed bool
}

// inRounds is how many cuts a round has, in turn.
var inRounds = []int{6, 3, 1, 2, 3}

// cuts sets the cluster up from new cards again and again, and cuts nodes' power at
// random moments meanwhile. They are switched on again at once.
func cuts(t *testing.T, c *whole) {
	left := number(t, "BERRY_CUTS", 6)
	for round := 0; left > 0; round++ {
		n := min(left, inRounds[round%len(inRounds)])
		left -= n
		var list []cut
		for i := range n {
			list = append(list, c.draw(i > 0))
		}
		slices.SortStableFunc(list, func(a, b cut) int {
			if a.installed != b.installed {
				return map[bool]int{false: -1, true: 1}[a.installed]
			}
			return int(a.at - b.at)
		})
		c.formWithCuts(t, list)
		if t.Failed() {
			return
		}
	}
}

// clustering is how long a node is at most at work once it has its packages, when
// nothing is cut.
const clustering = 12 * time.Second

// draw draws a cut, of any moment or of one after the packages.
func (c *whole) draw(installed bool) cut {
	span := c.setUp
	if installed {
		span = min(span, clustering)
	}
	return cut{c.names[c.chance.IntN(len(c.names))], time.Duration(c.chance.Int64N(int64(span))), installed}
}

func (c *whole) formWithCuts(t *testing.T, list []cut) {
	each(t, c.lab.Wipe, c.names...)
	began := time.Now()
	each(t, c.lab.Start, c.names...)
	for i, cut := range list {
		wait := time.Until(began.Add(cut.at))
		if cut.installed {
			within(t, setUpLimit, cut.name+" has its packages", func() bool { return c.installed(t, cut.name) })
			wait = cut.at
			if i > 0 && list[i-1].installed {
				wait -= list[i-1].at
			}
		}
		time.Sleep(wait)
		s, err := c.lab.State(t.Context(), cut.name)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s cut, %s %s", seconds(time.Since(began)), cut.name, s.State, s.Step)
		each(t, c.lab.Cut, cut.name)
		each(t, c.lab.Start, cut.name)
	}
	c.ready(t, c.names...)
	t.Logf("all ready after %s, with %d cuts", seconds(time.Since(began)), len(list))
	c.converged(t)
}

// installed tells whether a node has got through its packages.
func (c *whole) installed(t *testing.T, name string) bool {
	t.Helper()
	s, err := c.lab.Status(name)
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(s.Steps, func(s status.Step) bool {
		return s.Name == "packages" && (s.State == status.Done || s.State == status.AlreadyDone)
	})
}
