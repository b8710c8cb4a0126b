package steps

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// found are nodes that have proved their names.
type found []peers.Peer

func (f found) Peers() []peers.Peer { return f }

func (f found) Fetch(context.Context, string, string) (io.ReadCloser, error) {
	return nil, errors.New("nobody serves anything")
}

// three is the first of three nodes of one pool.
func three() node.File {
	f := node.File{Name: "cluster01", Role: node.Storage, Gluster: &node.Gluster{Volume: "volpi", Mount: "/mnt/www"}}
	for _, name := range []string{"cluster01", "cluster02", "cluster03"} {
		f.Gluster.Members = append(f.Gluster.Members, node.Member{Name: name})
	}
	return f
}

const (
	allThree = "127.0.0.1 localhost\n192.168.2.5 cluster01\n192.168.2.6 cluster02\nfd00::7 cluster03\n"
	nobody   = "127.0.0.1 localhost\n127.0.1.1 cluster01\n"
)

func TestPeersAreThereWhenTheirNamesLeadSomewhere(t *testing.T) {
	at := []netip.Addr{netip.MustParseAddr("192.168.2.6")}
	up := found{{Name: "cluster02", Addresses: at, State: peers.State{Ready: true}}}
	begun := found{{Name: "cluster02", Addresses: at, State: peers.State{Step: "step 4/8 peers: running"}}}
	silent := found{{Name: "cluster02", State: peers.State{Ready: true}}}
	tests := []struct {
		name, hosts string
		others      found
		want        string
	}{
		{"all are known, and one answers", allThree, begun, ""},
		{"all are known, and none answers", allThree, nil, "not found yet: cluster02, cluster03"},
		{"all are known, and one has gone silent", allThree, silent, "not found yet: cluster02, cluster03"},
		{"nobody is", "", nil, "not found yet: an address of its own, cluster02, cluster03"},
		{"this node is known at its loopback", "127.0.1.1 cluster01\n192.168.2.6 cluster02\n192.168.2.7 cluster03\n", begun,
			"not found yet: an address of its own"},
		{"a name in a comment", "192.168.2.5 cluster01 # cluster02\n192.168.2.7 cluster03\n", begun, "not found yet: cluster02"},
		{"a name in a line that is none", "192.168.2.5 cluster01\nsomewhere cluster02\n192.168.2.7 cluster03\n", begun, "not found yet: cluster02"},
		{"a cluster that is up, without one node", "192.168.2.5 cluster01\n192.168.2.6 cluster02\n", up, ""},
		{"a cluster that is up, without an address", "192.168.2.6 cluster02\n", up, "not found yet: an address of its own"},
		{"one that is yet to be", "192.168.2.5 cluster01\n192.168.2.6 cluster02\n", begun, "not found yet: cluster03"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, map[string]string{"/etc/hosts": tt.hosts})
			state, err := Peers{tt.others, book(t)}.Look(t.Context(), h.Host, three())
			if err != nil || state.String() != tt.want {
				t.Errorf("got %q, %v, want %q", state, err, tt.want)
			}
		})
	}
}

func TestPeersAreWaitedForByName(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/etc/hosts": nobody})
	clock := &arrivals{Clock: hosttest.Clock{}, texts: []string{
		nobody, nobody, "192.168.2.5 cluster01\n", "192.168.2.5 cluster01\n192.168.2.7 cluster03\n", allThree,
	}, h: h}
	h.Host.Clock = clock
	var said []string
	if err := (Peers{seen("cluster02"), book(t)}).Act(t.Context(), h.Host, three(), func(doing string) { said = append(said, doing) }); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"waiting for an address of its own, cluster02, cluster03",
		"waiting for cluster02, cluster03",
		"waiting for cluster02",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
}

// arrivals is a clock that has the hosts file change with every sleep.
type arrivals struct {
	hosttest.Clock
	h     *hosttest.Host
	texts []string
}

func (a *arrivals) Sleep(ctx context.Context, d time.Duration) error {
	a.h.Write("/etc/hosts", a.texts[0])
	a.texts = a.texts[1:]
	return a.Clock.Sleep(ctx, d)
}

func TestPeersStopsWaitingWhenItIsStopped(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/etc/hosts": nobody})
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	err := Peers{found{}, book(t)}.Act(ctx, h.Host, three(), func(string) { cancel(stopped) })
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
}
