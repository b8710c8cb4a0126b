package gluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The nodes of the pool in testdata/lab.
const (
	uuid1 = "5519de42-9659-4e10-9b4f-161139149d0f"
	uuid2 = "1e8c9832-ba20-4b0f-ac7f-baa9b32ca8b0"
	uuid3 = "f8a6aaa2-4cb7-469d-a7b9-781373df4335"
	uuid4 = "77cae672-9219-4040-83ff-47f4badd4c74"
)

// Those of testdata/lab-bookworm.
const (
	bookworm1 = "13239462-6022-4271-9f85-955552daa0ee"
	bookworm2 = "c9b0baf8-d84e-42c7-ac1b-36ba110474fe"
	bookworm3 = "3a2da785-90fe-45f2-ac74-3b375dab5893"
)

// Those of testdata/recorded.
const (
	recorded1 = "11111111-2222-4333-8444-000000000001"
	recorded2 = "11111111-2222-4333-8444-000000000002"
	recorded3 = "11111111-2222-4333-8444-000000000003"
)

func peer(uuid, name string) Peer {
	return Peer{UUID: uuid, Hostnames: []string{name}, Connected: true, State: PeerInCluster, StateText: "Peer in Cluster"}
}

func self(uuid string) Peer {
	return Peer{UUID: uuid, Hostnames: []string{"localhost"}, Local: true, Connected: true}
}

func TestPeersAreAsGlusterListsThem(t *testing.T) {
	gone, rejected := peer(uuid2, "gl2"), peer(uuid2, "gl2")
	gone.Connected = false
	rejected.State, rejected.StateText = PeerRejected, "Peer Rejected"
	preseeded := peer("11111111-2222-4333-8444-666666666666", "berry2")
	preseeded.Connected = false
	tests := map[string][]Peer{
		"lab/peer-status.xml":                    {peer(uuid3, "gl3")},
		"lab/peer-status-3nodes.xml":             {peer(uuid2, "gl2"), peer(uuid3, "gl3")},
		"lab/peer-status-empty.xml":              nil,
		"lab/peer-status-from-gl2.xml":           nil,
		"lab/peer-status-one-down.xml":           {gone, peer(uuid3, "gl3")},
		"lab/peer-status-replaced-newuuid.xml":   {rejected, peer(uuid3, "gl3")},
		"lab/pool-list.xml":                      {peer(uuid3, "gl3"), self(uuid1)},
		"lab/pool-list-3nodes.xml":               {peer(uuid2, "gl2"), peer(uuid3, "gl3"), self(uuid1)},
		"lab/pool-list-3nodes-from-gl3.xml":      {peer(uuid1, "gl1"), peer(uuid2, "gl2"), self(uuid3)},
		"lab/pool-list-alone.xml":                {self(uuid1)},
		"lab-bookworm/peer-status.xml":           {peer(bookworm2, "gl2"), peer(bookworm3, "gl3")},
		"lab-bookworm/pool-list.xml":             {peer(bookworm2, "gl2"), peer(bookworm3, "gl3"), self(bookworm1)},
		"recorded/pool-list.xml":                 {peer(recorded3, "berry3"), peer(recorded2, "berry2"), self(recorded1)},
		"recorded/pool-list-preseeded-alone.xml": {preseeded, self("11111111-2222-4333-8444-555555555555")},
	}
	all(t, tests, "pool-", "peer-status")
	for name, want := range tests {
		c := client(t, "pool list", name)
		got, err := c.PoolList(t.Context())
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestPeerStatusAsksForTheOthers(t *testing.T) {
	got, err := client(t, "peer status", "lab/peer-status-3nodes.xml").PeerStatus(t.Context())
	if err != nil || len(got) != 2 {
		t.Errorf("got %v, %v", got, err)
	}
}

func TestReadyPeersAreConnectedAndInTheCluster(t *testing.T) {
	gone, rejected := peer(uuid2, "gl2"), peer(uuid2, "gl2")
	gone.Connected = false
	rejected.State = PeerRejected
	stateless := self(uuid2)
	stateless.Local = false
	tests := []struct {
		name string
		peer Peer
		want bool
	}{
		{"this node", self(uuid1), true},
		{"a member that is there", peer(uuid2, "gl2"), true},
		{"a member that is not there", gone, false},
		{"one that is there but rejected", rejected, false},
		{"another one without a state", stateless, false},
	}
	for _, tt := range tests {
		if got := tt.peer.Ready(); got != tt.want {
			t.Errorf("%s is ready: %v", tt.name, got)
		}
	}
}
