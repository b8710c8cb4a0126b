//go:build lab

package clustertest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// between is how much later the next node is switched on.
const between = 4 * time.Second

// late is how much later the last node comes in the first order.
func late(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("BERRY_LATE")
	if text == "" {
		return 10 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("BERRY_LATE: %v", err)
	}
	return d
}

// orders sets the cluster up from new cards, once for each order of its nodes that is
// asked for.
func orders(t *testing.T, c *whole) {
	all := permutations(c.names)
	c.chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	if !long() {
		all = all[:1]
	}
	for i, order := range all {
		pause := between
		if i == 0 {
			pause = late(t)
		}
		if !t.Run(strings.Join(order, ", "), func(t *testing.T) { c.inOrder(t, order, pause) }) {
			return
		}
	}
}

// inOrder sets the cluster up. Nobody serves anything while a node is missing.
func (c *whole) inOrder(t *testing.T, order []string, last time.Duration) {
	each(t, c.lab.Wipe, order...)
	began := time.Now()
	for i, name := range order {
		switch i {
		case 0:
		case len(order) - 1:
			time.Sleep(last)
			for _, before := range order[:i] {
				if code, body := c.get(t, before, "/health"); !unserved(code, body) {
					t.Errorf("%s answers with %d before %s was there", before, code, name)
				}
			}
		default:
			time.Sleep(between)
		}
		each(t, c.lab.Start, name)
		c.file(t, name)
	}
	complete := time.Now()
	c.ready(t, c.names...)
	c.setUp = time.Since(complete)
	t.Logf("all ready %s after the first node was switched on, %s after the last", seconds(time.Since(began)), seconds(c.setUp))
	c.converged(t)
}

// permutations are all orders of a list.
func permutations(list []string) [][]string {
	if len(list) == 0 {
		return [][]string{nil}
	}
	var all [][]string
	for i, first := range list {
		for _, rest := range permutations(slices.Delete(slices.Clone(list), i, i+1)) {
			all = append(all, append([]string{first}, rest...))
		}
	}
	return all
}
