//go:build lab

package clustertest

import (
	"testing"
	"time"

	"berries/testimages/lab/labtest"
)

// TestClusterLab sets a cluster up and does to it what happens to clusters. The parts
// build upon each other: to set one up takes the time.
func TestClusterLab(t *testing.T) {
	c := begin(t, labtest.Folder(t), "cluster01", "cluster02", "cluster03")
	for _, part := range []struct {
		name string
		long bool // only where it may take long
		do   func(*testing.T, *whole)
	}{
		{"nodes that come in any order, one of them late, form the cluster", false, orders},
		{"the power is cut while the cluster forms", false, cuts},
		{"a node that gets another address while it runs is found there", true, renumberRunning},
		{"a node that gets another address while it is off is found there", true, renumberOff},
		{"a node that was dead while files were written gets them, at another address", true, deadNode},
		{"all nodes lose their power at once", false, blackout},
		{"a new card takes an old one's place, and the old one is refused", false, replace},
		{"a new card takes an old one's place while files are written", true, replaceWhileWritten},
	} {
		if part.long && !long() {
			continue
		}
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.do(t, c) }) {
			return
		}
		t.Logf("%s: %s", part.name, seconds(time.Since(began)))
	}
}
