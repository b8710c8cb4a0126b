//go:build lab

package clustertest

import (
	"testing"
	"time"
)

// TestSixNodes builds the images of a cluster of six storage nodes, and sets it up: two
// sets of three bricks, one volume. It takes long: make test-lab runs it with LONG=yes.
func TestSixNodes(t *testing.T) {
	names := []string{"cluster01", "cluster02", "cluster03", "cluster04", "cluster05", "cluster06"}
	c := begin(t, build(t, "six-storage.yaml", names...), names...)
	began := time.Now()
	each(t, c.lab.Start, names...)
	for _, name := range names {
		c.file(t, name)
	}
	c.ready(t, names...)
	t.Logf("six nodes ready after %s", seconds(time.Since(began)))
	c.converged(t)
	c.write(t, "cluster04", "site")
	c.holdSets(t, c.site)
}

// holdSets compares the bricks of each set with each other, and both together with
// what was written: each file is in one set, and both have a share of them.
func (c *whole) holdSets(t *testing.T, written listing) {
	t.Helper()
	of := map[string]int{}
	for set := range len(c.names) / copies {
		first := listing{}
		for i, name := range c.names[set*copies : (set+1)*copies] {
			is := c.brick(t, name)
			if i == 0 {
				first = is
			}
			if len(is) != len(first) || !includes(is, first) {
				t.Errorf("the bricks of set %d differ", set+1)
			}
		}
		share := 0
		for path, what := range written {
			if is, there := first[path]; there && is != what {
				t.Errorf("%s is %s, want %s", path, is, what)
			} else if there {
				of[path]++
				share++
			}
		}
		t.Logf("set %d has %d of %d", set+1, share, len(written))
		if share == 0 || share == len(written) {
			t.Errorf("set %d has %d of %d", set+1, share, len(written))
		}
	}
	for path, what := range written {
		if want := map[bool]int{true: len(c.names) / copies, false: 1}[what == "dir"]; of[path] != want {
			t.Errorf("%s is in %d sets, want %d", path, of[path], want)
		}
	}
}
