package peers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"github.com/grandcat/zeroconf"

	"berries/firstboot/host"
)

const (
	mdnsService = "_berry-cluster._tcp"
	mdnsDomain  = "local"
)

// network is what the service does to the network. Tests that need none give one
// of their own.
type network interface {
	// links are the interfaces by which other nodes may be reached.
	links() ([]Link, error)
	// listen opens Port.
	listen(ctx context.Context) (net.Listener, error)
	dial(ctx context.Context, at netip.AddrPort) (net.Conn, error)
	// announce says by mDNS where this node is, until stop is called. stop is never
	// nil.
	announce(self Self, links []Link) (stop func(), err error)
	// browse tells found what others announce, until the context ends. It returns
	// before only where it cannot hear anything.
	browse(ctx context.Context, links []Link, found func(sighting)) error
}

// sighting is what mDNS says of somebody. Nothing of it need be true.
type sighting struct {
	name, cluster, protocol string
	port                    int
	addresses               []netip.Addr
}

// lan is the real network.
//
// Faults of zeroconf v1.0.0, and what is done about each:
//
//   - A server announces for ever the addresses that it began with, and those of
//     every interface. It is given the addresses of real interfaces only, never
//     begins without any, and is replaced when they change.
//   - Its host name is the one that avahi claims. It gets another.
//   - A server that cannot read spins. It never outlives its interfaces or
//     announceEvery.
//   - A resolver stops asking after the first answer, tells of every instance once
//     and never of its end, gives up after 15 minutes, and goes deaf at the first
//     error. It lives for browseEvery or browseSeldom, then there is a fresh one;
//     who is gone is found out by asking.
//   - Without IPv6 no resolver can be made, and one made by half is never closed.
//     Each IP version gets its own, where an interface has an address of it.
//   - A resolver blocks until somebody takes what it found, and closes the channel
//     that it was given. Each has a channel of its own, which is read to its end.
//   - Nothing is done about two nodes with one name. Certificates tell them apart.
//   - The port may be taken (avahi with disallow-other-stacks). That is an error to
//     be told, and tried again; other hints do without.
type lan struct{ files *host.Files }

func (lan) listen(ctx context.Context) (net.Listener, error) {
	return new(net.ListenConfig).Listen(ctx, "tcp", ":"+strconv.Itoa(Port))
}

func (lan) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", at.String())
}

func (lan) announce(self Self, links []Link) (stop func(), err error) {
	var ips []string
	for _, l := range links {
		for _, a := range l.Addresses {
			ips = append(ips, a.String())
		}
	}
	if len(ips) == 0 {
		return func() {}, nil // the service begins anew with the first address
	}
	text := []string{"cluster=" + self.Cluster, "protocol=" + strconv.Itoa(Protocol), "role=" + self.Role}
	server, err := zeroconf.RegisterProxy(self.Name, mdnsService, mdnsDomain, Port,
		self.Name+"-berry", ips, text, interfaces(links, either))
	if err != nil {
		return func() {}, err
	}
	return server.Shutdown, nil
}

func (lan) browse(ctx context.Context, links []Link, found func(sighting)) error {
	var wg sync.WaitGroup
	var errs []error
	for version, has := range map[zeroconf.IPType]func(netip.Addr) bool{
		zeroconf.IPv4: netip.Addr.Is4,
		zeroconf.IPv6: netip.Addr.Is6,
	} {
		on := interfaces(links, has)
		if len(on) == 0 {
			continue
		}
		resolver, err := zeroconf.NewResolver(zeroconf.SelectIPTraffic(version), zeroconf.SelectIfaces(on))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		entries := make(chan *zeroconf.ServiceEntry)
		wg.Go(func() {
			for e := range entries {
				found(sightingOf(e))
			}
		})
		if err := resolver.Browse(ctx, mdnsService, mdnsDomain, entries); err != nil {
			errs = append(errs, fmt.Errorf("cannot send a question: %w", err))
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// interfaces are those of the links with an address that has some property.
func interfaces(links []Link, has func(netip.Addr) bool) []net.Interface {
	var list []net.Interface
	for _, l := range links {
		for _, a := range l.Addresses {
			if has(a) {
				list = append(list, net.Interface{Index: l.Index, Name: l.Name})
				break
			}
		}
	}
	return list
}

func either(netip.Addr) bool { return true }

// sightingOf reads what zeroconf found.
func sightingOf(e *zeroconf.ServiceEntry) sighting {
	s := sighting{name: e.Instance, port: e.Port}
	for _, text := range e.Text {
		switch key, value, _ := strings.Cut(text, "="); key {
		case "cluster":
			s.cluster = value
		case "protocol":
			s.protocol = value
		}
	}
	for _, ip := range append(e.AddrIPv4, e.AddrIPv6...) {
		if a, ok := netip.AddrFromSlice(ip); ok {
			s.addresses = append(s.addresses, a.Unmap())
		}
	}
	return s
}

// mayBeOf tells whether a sighting may be about a node of that cluster.
func (found sighting) mayBeOf(cluster string) bool {
	ours := found.cluster == cluster && found.protocol == strconv.Itoa(Protocol)
	return ours && isLabel(found.name) && found.port >= 1 && found.port <= 65535
}

// sighted takes what mDNS says as a hint, if it may be about a node of this
// cluster.
func (s *Service) sighted(found sighting) {
	if !found.mayBeOf(s.self.Cluster) {
		return
	}
	now := s.clock.Now()
	for _, a := range found.addresses[:min(len(found.addresses), maxRoutes)] {
		s.hint(found.name, netip.AddrPortFrom(a, uint16(found.port)), now)
	}
}

// isLabel tells whether a name may be a node's (RFC 1123).
func isLabel(name string) bool {
	return name != "" && len(name) <= 63 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
