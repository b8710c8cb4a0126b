package gluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWebOptionsAreOneListWithTheNodesInIt(t *testing.T) {
	want := []Option{
		{"network.ping-timeout", "10"},
		{"cluster.quorum-type", "auto"},
		{"cluster.server-quorum-type", "none"},
		{"cluster.heal-timeout", "30"},
		{"performance.cache-size", "16MB"},
		{"performance.quick-read-cache-size", "16MB"},
		{"storage.owner-uid", "33"},
		{"storage.owner-gid", "33"},
		{"client.ssl", "on"},
		{"server.ssl", "on"},
		{"auth.ssl-allow", "cluster01,cluster02,cluster03"},
	}
	if diff := cmp.Diff(want, WebOptions("cluster01", "cluster02", "cluster03")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
