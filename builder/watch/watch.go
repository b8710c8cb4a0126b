// Package watch is the operator's eye on a running cluster. What comes in is who he is
// (Access: the certificate of the secrets folder) and where nodes may be: what mDNS says,
// the fixed addresses of the profile, and addresses that he gives. What goes out is a
// report.Cluster, merged of what every node that answers tells of itself and of those
// that it reaches, as a table, as lines or as JSON; and a node's logs, and a bundle of
// all nodes for a report of a fault.
//
// Every connection is TLS in which both sides prove who they are with certificates of the
// cluster's own CA. A node that cannot be reached from here, since it stands in another
// house, is reached through one that can, which only passes on what both say.
//
// Nothing is changed on any node, and nothing is decided here: whether a node is ready it
// says itself.
package watch

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"berries/firstboot/peers"
)

// Access is whose cluster it is, and where its nodes may be.
type Access struct {
	ID    string // the cluster's
	Cert  tls.Certificate
	CA    *x509.CertPool // the cluster's CA alone
	Nodes []Known        // in the profile's order
	// At are addresses, as HOST or HOST:PORT, at which nodes are asked, whoever they
	// are. Where there are some, nobody is looked for by mDNS.
	At []string
}

// Known is a node of the profile.
type Known struct {
	Name, Role string
	Hosts      []string // addresses, and names in the DNS, that the profile has for it
}

// Client asks the nodes of one cluster.
type Client struct {
	access Access
	mu     sync.Mutex
	// ways are where each node may be, as HOST:PORT, the best first, by its name; by ""
	// where nobody knows yet whose address it is.
	ways map[string][]string
}

// New makes a client that knows what the profile says.
func New(a Access) *Client {
	c := &Client{access: a, ways: map[string][]string{}}
	for _, at := range a.At {
		c.hint("", withPort(at))
	}
	for _, n := range a.Nodes {
		for _, host := range n.Hosts {
			if len(a.At) == 0 {
				c.hint(n.Name, withPort(host))
			}
		}
	}
	return c
}

// withPort is an address with the port of nodes where it has none.
func withPort(at string) string {
	if _, _, err := net.SplitHostPort(at); err == nil {
		return at
	}
	return net.JoinHostPort(at, strconv.Itoa(peers.Port))
}

// Discover listens for nodes on the network, until the context ends. It does nothing
// where addresses were given.
func (c *Client) Discover(ctx context.Context) error {
	if len(c.access.At) > 0 {
		return nil
	}
	log.SetOutput(io.Discard) // zeroconf's own words, one for every packet it cannot read
	return peers.Browse(ctx, c.access.ID, func(name string, at netip.AddrPort) { c.hint(name, at.String()) })
}

// maxWays is how many addresses of a node are remembered: anybody can announce some.
const maxWays = 8

// hint takes note of where a node may be.
func (c *Client) hint(name, at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Contains(c.ways[name], at) && len(c.ways[name]) < maxWays {
		c.ways[name] = append(c.ways[name], at)
	}
}

// proven takes note that a node was met there.
func (c *Client) proven(name, at string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	other := func(way string) bool { return way == at }
	c.ways[""] = slices.DeleteFunc(c.ways[""], other)
	c.ways[name] = append([]string{at}, slices.DeleteFunc(c.ways[name], other)...)
}

// waysTo are the addresses of a node.
func (c *Client) waysTo(name string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.ways[name])
}

// names are the nodes that may be somewhere.
func (c *Client) names() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for name := range c.ways {
		if name != "" {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// ErrNobody is that no node answers.
var ErrNobody = errors.New("no node answers")
