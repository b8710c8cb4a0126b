//go:build lab

package clustertest

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berries/testimages/lab/cluster"
)

// hostsLimit is within what time others must have noticed a new address.
const hostsLimit = 10 * time.Second

func renumberRunning(t *testing.T, c *whole) {
	const name = "cluster03"
	address, err := c.lab.Renumber(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	c.followed(t, name, address)
	c.converged(t)
}

func renumberOff(t *testing.T, c *whole) {
	const name = "cluster02"
	each(t, c.lab.Cut, name)
	c.startElsewhere(t, name)
	c.converged(t)
}

// startElsewhere switches a node on that is off, at a new address.
func (c *whole) startElsewhere(t *testing.T, name string) (began time.Time) {
	t.Helper()
	address, err := c.lab.Renumber(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	each(t, c.lab.Start, name)
	c.followed(t, name, address)
	c.ready(t, name)
	t.Logf("ready %s after it was switched on", seconds(time.Since(began)))
	return began
}

// followed waits until the others' hosts files have a node's new address, and no
// other.
func (c *whole) followed(t *testing.T, name string, address netip.Addr) {
	t.Helper()
	for _, other := range c.names {
		if other == name {
			continue
		}
		took := within(t, hostsLimit, other+" has noticed", func() bool {
			text, err := os.ReadFile(filepath.Join(c.lab.Written(other), "etc/hosts"))
			if err != nil {
				t.Fatal(err)
			}
			return slices.Equal(addressesOf(string(text), name), []string{address.String()})
		})
		t.Logf("%s has it at its new address after %s more", other, seconds(took))
	}
}

// addressesOf are those that a hosts file has for a name.
func addressesOf(hosts, name string) []string {
	var list []string
	for line := range strings.Lines(hosts) {
		line, _, _ = strings.Cut(line, "#")
		if words := strings.Fields(line); len(words) > 1 && slices.Contains(words[1:], name) {
			list = append(list, words[0])
		}
	}
	return list
}

func deadNode(t *testing.T, c *whole) {
	const name = "cluster03"
	each(t, c.lab.Cut, name)
	c.write(t, "cluster01", "while-one-was-dead")
	began := c.startElsewhere(t, name)
	c.waitHealed(t, "cluster01")
	t.Logf("nothing left to heal %s after it was switched on", seconds(time.Since(began)))
	c.holdAll(t, c.site)
	c.converged(t)
}

// alone is how long one node is up without the others.
const alone = 12 * time.Second

func blackout(t *testing.T, c *whole) {
	const lone = "cluster02"
	c.furnished(t, lone)
	each(t, c.lab.Cut, c.names...)
	began := time.Now()
	each(t, c.lab.Start, lone)
	end := c.watch(t, lone, "/", unserved)
	file := c.watch(t, lone, "/convergence-1", unserved)
	time.Sleep(alone)
	if s, err := c.lab.State(t.Context(), lone); err != nil || s.State != cluster.Working && s.State != cluster.Booting {
		t.Errorf("%s is alone, and is %+v, %v", lone, s, err)
	}
	counts := end()
	file()
	if counts[503] == 0 {
		t.Errorf("%s never answered with 503: %v", lone, counts)
	}
	t.Logf("%s alone has answered (by code) %v", lone, counts)
	each(t, c.lab.Start, others(c.names, lone)...)
	c.ready(t, c.names...)
	t.Logf("all ready %s after the power was back, %s of which %s was alone", seconds(time.Since(began)), seconds(alone), lone)
	c.converged(t)
	if long() {
		c.allAtOnce(t)
	}
	c.holdAll(t, c.site)
}

// allAtOnce has the power fail and come back for all nodes at the same time.
func (c *whole) allAtOnce(t *testing.T) {
	t.Helper()
	each(t, c.lab.Cut, c.names...)
	began := time.Now()
	each(t, c.lab.Start, c.names...)
	c.ready(t, c.names...)
	t.Logf("all ready %s after the power was back for all at once", seconds(time.Since(began)))
	c.converged(t)
}

// others are all names but one.
func others(names []string, not string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return name == not })
}
