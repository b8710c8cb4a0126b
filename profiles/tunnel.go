package profiles

import (
	"net/netip"
	"slices"
)

// The words for what joins the houses.
const (
	wireguard = "wireguard"
	noTunnel  = "none"
)

// defaultTunnel is a network that few houses have.
const defaultTunnel = "10.83.0.0/24"

// tunnelPort is what most WireGuard servers use.
const tunnelPort = 51820

// Tunnel is a WireGuard network of all nodes. They call one of them, the hub, which
// passes on what they send each other.
type Tunnel struct {
	Network netip.Prefix // such as 10.83.0.0/24
	Port    int          // UDP, on the hub
	Hub     string       // name of the node; its Host is where the others call it
}

// Address is the address in the tunnel of the profile's node i, with the length of the
// network's prefix.
func (t *Tunnel) Address(i int) netip.Prefix {
	a := t.Network.Addr().Next()
	for range i {
		a = a.Next()
	}
	return netip.PrefixFrom(a, t.Network.Bits())
}

// readTunnel reads how the nodes of several houses are joined. Nodes of one house need
// no tunnel.
func readTunnel(root *mapping, nodes []Node) *Tunnel {
	hub := hubOf(nodes)
	how := noTunnel
	if hub.Name != "" {
		how = wireguard
	}
	how = root.text("tunnel", how)
	if known := []string{wireguard, noTunnel}; !slices.Contains(known, how) {
		root.refuse("tunnel", notOneOf("tunnel", how, known))
	}
	t := &Tunnel{Network: root.network("tunnel_network", defaultTunnel), Port: root.number("tunnel_port", tunnelPort), Hub: hub.Name}
	if t.Port < 1 || t.Port > 65535 {
		root.refuse("tunnel_port", badPort)
	}
	if root.wrong("nodes", "ddns", "tunnel") {
		return nil // whatever else there is to say may be an echo
	}
	if how == noTunnel {
		for _, key := range []string{"tunnel_network", "tunnel_port"} {
			if root.has(key) {
				root.refuse(key, tunnelKeyAlone)
			}
		}
		return nil
	}
	if hub.Name == "" {
		root.refuse("tunnel", noHub)
	} else if !root.wrong("tunnel_network") {
		root.refuse("tunnel_network", t.networkProblem(nodes, hub))
	}
	return t
}

// hubOf is the node that all others can call: the balancer, which has a name of its
// own, else the remote node, which has one by dynamic DNS. Its name is "" where there
// is neither.
func hubOf(nodes []Node) Node {
	for _, role := range []Role{Balancer, Remote} {
		for _, n := range nodes {
			if n.Role == role {
				return n
			}
		}
	}
	return Node{}
}

// network reads a private IPv4 network.
func (m *mapping) network(key, fallback string) netip.Prefix {
	network, err := netip.ParsePrefix(m.text(key, fallback))
	switch {
	case err != nil || !network.Addr().Is4():
		m.refuse(key, badNetwork)
	case network != network.Masked():
		m.refuse(key, addressForNetwork(network.Masked()))
	case !isPrivate(network):
		m.refuse(key, publicNetwork)
	}
	return network
}

func isPrivate(network netip.Prefix) bool {
	for _, private := range []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} {
		p := netip.MustParsePrefix(private)
		if p.Bits() <= network.Bits() && p.Contains(network.Addr()) {
			return true
		}
	}
	return false
}

// networkProblem judges whether the nodes have room in the network, and can tell it from
// those that they are in already.
func (t *Tunnel) networkProblem(nodes []Node, hub Node) problem {
	if room := 1<<(32-t.Network.Bits()) - 2; room < len(nodes) {
		return smallTunnel(max(room, 0), len(nodes))
	}
	for _, n := range nodes {
		if own := n.Address.CIDR.Masked(); !n.Address.DHCP() && own.Overlaps(t.Network) {
			return overlappingTunnel(t.Network, own, n.Name)
		}
	}
	if a, err := netip.ParseAddr(hub.Host); err == nil && t.Network.Contains(a.Unmap()) {
		return hubInTunnel(a, hub.Name)
	}
	return problem{}
}
