package gluster

import "context"

// Peer is one node of the trusted pool, as this node's glusterd sees it.
type Peer struct {
	UUID      string
	Hostnames []string // the names it is known by, the first one first
	Local     bool     // this node itself, whose only name is localhost
	Connected bool
	State     int    // of glusterd's state machine; 0 for this node itself
	StateText string // the same in words; empty for this node itself
}

// The states of a peer that mean something to us (enum glusterd_friend_sm_state_
// in xlators/mgmt/glusterd/src/glusterd-sm.h). The others are steps between them.
const (
	PeerInCluster = 3
	PeerRejected  = 6 // it does not agree on the pool or on a volume
)

// Ready tells whether the peer takes part in what the pool does.
func (p Peer) Ready() bool { return p.Connected && (p.Local || p.State == PeerInCluster) }

// PeerStatus lists the other nodes of the pool.
func (c Client) PeerStatus(ctx context.Context) ([]Peer, error) {
	return c.peers(ctx, "peer", "status")
}

// PoolList lists the nodes of the pool, this one included.
func (c Client) PoolList(ctx context.Context) ([]Peer, error) { return c.peers(ctx, "pool", "list") }

func (c Client) peers(ctx context.Context, args ...string) ([]Peer, error) {
	var a peersAnswer
	if err := c.ask(ctx, &a, args...); err != nil {
		return nil, err
	}
	return a.peers(), nil
}

type peersAnswer struct {
	reply
	Peers []struct {
		UUID      string   `xml:"uuid"`
		Hostname  string   `xml:"hostname"`
		Hostnames []string `xml:"hostnames>hostname"`
		Connected bool     `xml:"connected"`
		State     *int     `xml:"state"`
		StateText string   `xml:"stateStr"`
	} `xml:"peerStatus>peer"`
}

func (a *peersAnswer) peers() []Peer {
	var list []Peer
	for _, x := range a.Peers {
		p := Peer{UUID: x.UUID, Hostnames: x.Hostnames, Connected: x.Connected, StateText: x.StateText}
		if len(p.Hostnames) == 0 {
			p.Hostnames = []string{x.Hostname}
		}
		// Only this node has no state: it is no peer of its own.
		if x.State == nil {
			p.Local = x.Hostname == "localhost"
		} else {
			p.State = *x.State
		}
		list = append(list, p)
	}
	return list
}
