// Package peers finds the other nodes of the cluster, proves who they are, and
// keeps /etc/hosts saying where.
//
// What goes in are hints, each a name and an address: what mDNS says (service
// _berry-cluster._tcp), the fixed addresses of the profile, the block in /etc/hosts
// of an earlier run, the addresses that a proven peer gives as its own, and where
// a proven peer's own questions come from. Anybody on the network can make
// hints. An address becomes a peer's when mutual TLS 1.3 with the cluster's CA has
// shown that node's name there, and stays it as long as that is shown again every
// few seconds. What comes out are Peers, the block in /etc/hosts, and the answer to
// whoever asks this node for its state: other nodes, and the operator.
//
// mDNS is github.com/grandcat/zeroconf, whose known faults are worked round here:
// mdns.go says which, and how. It runs beside avahi-daemon; where that keeps the
// port for itself, nodes with hints of another kind find each other all the same.
//
// Not done here on purpose: nothing is asked of the network but these questions,
// and nothing is decided about the cluster.
package peers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"berries/firstboot/cards"
	"berries/firstboot/host"
)

// Port is the TCP port of the peer service on every node.
const Port = 24017

// Protocol is the version of what nodes say to each other. A node does not speak
// to one with another.
const Protocol = 1

// Self is what a node knows of itself and its cluster beforehand.
type Self struct {
	Cluster string // the cluster's id: tells its nodes from another cluster's in mDNS
	Name    string // this node, as in its certificate
	Role    string
	Cert    tls.Certificate
	CA      *x509.CertPool // the cluster's CA alone
	Known   []Known        // the cluster's nodes; this one among them does no harm
	// Tunnel are nodes of other houses, which the hosts file has at these addresses. They
	// are not looked for.
	Tunnel []Entry
	// State says where this node stands, whenever somebody asks. It may be nil.
	State func() State
}

// Known is a node that the builder knew of.
type Known struct {
	Name      string
	Addresses []netip.Addr // fixed ones, from the profile
}

// State is where a node stands, for other nodes and the operator.
type State struct {
	Step     string            `json:"step"` // in the words of the console
	Ready    bool              `json:"ready"`
	Versions map[string]string `json:"versions"` // by program or package
	// Card is the id of the card in the node, and Cards are the present ones of all
	// nodes as far as it knows.
	Card  string                 `json:"card"`
	Cards map[string]cards.Entry `json:"cards"`
	// Brick is BrickNew or BrickFilling; "" is a brick as it should be, and a node that
	// has none.
	Brick string `json:"brick"`
	// Awaits says that the node waits for the first member to create the volume, and
	// would have its brick taken into it.
	Awaits bool `json:"awaits"`
}

// The states of a brick that has lost its content.
const (
	BrickNew     = "new"     // empty, and not in the volume
	BrickFilling = "filling" // in the volume, and not known to hold what the others do
)

// Peer is a node that has proved its name since the service began.
type Peer struct {
	Name, Role string
	// Addresses are those that it answers at, the one for /etc/hosts first. There
	// are none while it is silent.
	Addresses []netip.Addr
	Seen      time.Time // when it last answered
	State     State     // what it said then
}

// How often things are done. A change of address is to be in everybody's hosts
// file within ten seconds, even when the news of it get lost: so long it may take
// at most to find a peer silent (askEvery, askTimeout) and to browse again.
const (
	lookEvery     = time.Second // at this node's own addresses
	hostsEvery    = 2 * time.Second
	browseEvery   = 10 * time.Second // while a node is missing
	browseSeldom  = 30 * time.Second
	announceEvery = 2 * time.Minute
	settle        = time.Second // between two announcements, or two browses
)

// Service is the peer service of one node. Run it once.
type Service struct {
	self    Self
	files   *host.Files
	clock   host.Clock
	net     network
	log     func(line string)
	table   *table
	served  []served
	relays  chan struct{} // one value for each connection that is passed on
	changes chan struct{}

	mu    sync.Mutex
	links []Link

	announcing, browsing, asking, hosting wake
}

// New makes the service of a node. What it finds and what goes wrong is told to
// log, a line each.
func New(h *host.Host, self Self, log func(line string)) *Service {
	return newService(h, lan{h.Files}, self, log)
}

func newService(h *host.Host, n network, self Self, log func(string)) *Service {
	return &Service{
		self: self, files: h.Files, clock: h.Clock, net: n, log: log,
		table: newTable(self), changes: make(chan struct{}, 1), relays: make(chan struct{}, maxRelays),
		announcing: newWake(), browsing: newWake(), asking: newWake(), hosting: newWake(),
	}
}

// Peers returns the nodes that have proved their names, by name.
func (s *Service) Peers() []Peer { return s.table.peers() }

// Changes gets a value after Peers has changed. One value may stand for several
// changes.
func (s *Service) Changes() <-chan struct{} { return s.changes }

// Run announces this node, finds, serves and asks the others, and keeps /etc/hosts,
// until the context ends. It fails only where it cannot listen.
func (s *Service) Run(ctx context.Context) error {
	listener, err := s.net.listen(ctx)
	if err != nil {
		return fmt.Errorf("cannot listen for the other nodes: %w", err)
	}
	s.look()
	s.recall()
	var wg sync.WaitGroup
	for _, do := range []func(context.Context){s.watch, s.announce, s.browse, s.ask, s.keepHosts} {
		wg.Go(func() { do(ctx) })
	}
	err = s.serve(ctx, listener)
	wg.Wait()
	return err
}

// recall takes the hints that were there before: fixed addresses, and those in
// the hosts file.
func (s *Service) recall() {
	now := s.clock.Now()
	for _, k := range s.self.Known {
		for _, a := range k.Addresses {
			s.hint(k.Name, netip.AddrPortFrom(a, Port), now)
		}
	}
	text, err := s.files.Read(hostsPath)
	if err != nil {
		return // keepHosts says so
	}
	for _, e := range block(string(text)) {
		if s.abroad(e.Name) {
			continue
		}
		s.hint(e.Name, netip.AddrPortFrom(e.Addr, Port), now)
	}
}

// changed tells everybody that Peers has changed.
func (s *Service) changed() {
	s.hosting.up()
	select {
	case s.changes <- struct{}{}:
	default:
	}
}
