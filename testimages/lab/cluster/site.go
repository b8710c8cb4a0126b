package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// A site is an Ethernet with a router on it, which is a network namespace by the
// site's name.
type site struct {
	name string
	lan  netip.Prefix
}

// The sites. No node can have the name of one. The storage nodes are at home, which is
// nameless, the remote node is in another house, and the balancer on the internet
// itself, whose router is its server. A lab of storage nodes only is at home, and has no
// way out.
var (
	home     = site{"", netip.MustParsePrefix("192.168.2.0/24")}
	away     = site{"_away", netip.MustParsePrefix("192.168.178.0/24")}
	internet = site{"_internet", netip.MustParsePrefix("198.51.100.0/24")}
)

// siteOf is where the nodes of a role are.
func siteOf(role string) site {
	switch role {
	case node.Remote:
		return away
	case node.Balancer:
		return internet
	}
	return home
}

// dir is the site's folder in the lab's.
func (s site) dir() string { return routerDir + s.name }

// router is the router's address.
func (s site) router() netip.Addr { return s.host(1) }

// host is an address of the site, by its last byte.
func (s site) host(number int) netip.Addr {
	a := s.lan.Addr().As4()
	a[3] = byte(number)
	return netip.AddrFrom4(a)
}

// public is the first address of a house's router on the internet.
func (s site) public() netip.Addr {
	return internet.host(map[site]int{home: 2, away: 3}[s])
}

// wan is the cable of a house's router to the internet, by the name that the internet
// has for it.
func (s site) wan() string { return "wan" + s.name }

// firewall lets the computers of a house out, under the router's own address, and
// nobody in whom they have not asked: he is told so at once.
const firewall = `table ip berry {
	chain out {
		type nat hook postrouting priority srcnat
		oifname "wan" masquerade
	}
	chain in {
		type filter hook input priority filter
		iifname "wan" ct state != { established, related } meta l4proto tcp reject with tcp reset
		iifname "wan" ct state != { established, related } drop
	}
	chain through {
		type filter hook forward priority filter
		iifname "wan" ct state != { established, related } meta l4proto tcp reject with tcp reset
		iifname "wan" ct state != { established, related } drop
	}
}
`

// connectHouse connects the router of a house to the internet.
func (l *Lab) connectHouse(ctx context.Context, s site) error {
	if err := l.ip(ctx, internet.name, "link", "add", s.wan(), "type", "veth", "peer", "name", "wan", "netns", l.Namespace(s.name)); err != nil {
		return err
	}
	if err := l.ip(ctx, internet.name, "link", "set", s.wan(), "master", "lan", "up"); err != nil {
		return err
	}
	forward := l.within(s.name, host.Command("sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"))
	nft := l.within(s.name, host.Command("nft", "-f", "-"))
	nft.Stdin = strings.NewReader(firewall)
	for _, cmd := range []host.Cmd{forward, nft} {
		if _, err := l.run.Run(ctx, cmd); err != nil {
			return err
		}
	}
	return l.dial(ctx, s, s.public())
}

// dial gives the router of a house an address on the internet.
func (l *Lab) dial(ctx context.Context, s site, address netip.Addr) error {
	for _, args := range [][]string{
		{"addr", "flush", "dev", "wan"},
		{"addr", "add", netip.PrefixFrom(address, internet.lan.Bits()).String(), "dev", "wan"},
		{"link", "set", "wan", "up"},
		{"route", "replace", "default", "via", internet.router().String()},
	} {
		if err := l.ip(ctx, s.name, args...); err != nil {
			return err
		}
	}
	return nil
}

// house is the site of a node that is behind a router.
func (l *Lab) house(name string) (site, error) {
	n, err := l.load(name)
	if err != nil {
		return site{}, err
	}
	s := siteOf(n.Role)
	if s == internet {
		return s, fmt.Errorf("%s is behind no router", name)
	}
	return s, nil
}

// Public is the address that the router of a node's house has on the internet.
func (l *Lab) Public(ctx context.Context, name string) (netip.Addr, error) {
	s, err := l.house(name)
	if err != nil {
		return netip.Addr{}, err
	}
	return l.addressOn(ctx, s.name, "wan")
}

// RouterNamespace is the network namespace of the router that is beside a node: whoever
// is there is on the node's LAN.
func (l *Lab) RouterNamespace(name string) (string, error) {
	n, err := l.load(name)
	return l.Namespace(n.site().name), err
}

// Reconnect has the router of a node's house dial in anew, and returns the address that
// it has on the internet then, which is another one than before.
func (l *Lab) Reconnect(ctx context.Context, name string) (netip.Addr, error) {
	s, err := l.house(name)
	if err != nil {
		return netip.Addr{}, err
	}
	now, err := l.Public(ctx, name)
	if err != nil {
		return netip.Addr{}, err
	}
	next := s.public()
	if now == next {
		next = internet.host(otherHosts + int(next.As4()[3]))
	}
	if err := l.dial(ctx, s, next); err != nil {
		return netip.Addr{}, err
	}
	return next, l.rename(now, next)
}

// Offline cuts the house of a node off the internet, or connects it again.
func (l *Lab) Offline(ctx context.Context, name string, off bool) error {
	s, err := l.house(name)
	if err != nil {
		return err
	}
	return l.ip(ctx, internet.name, "link", "set", s.wan(), map[bool]string{true: "down", false: "up"}[off])
}

// sites are those that the nodes of a lab need. Where one is not at home there is all
// of the world.
func sites(nodes []record) []site {
	if slices.ContainsFunc(nodes, func(n record) bool { return siteOf(n.Role) != home }) {
		return []site{home, away, internet}
	}
	return []site{home}
}
