package profiles

import "net/netip"

// readAddress reads the address of a node, which is the word dhcp or a mapping
// with a fixed address. Fixed addresses are IPv4: the nodes of one house find
// each other by IPv4 multicast.
func readAddress(node *mapping) Address {
	if !node.has("address") {
		return Address{}
	}
	if !node.hasMapping("address") {
		if how := node.text("address", "dhcp"); how != "dhcp" {
			node.refuse("address", badAddressWord(how))
		}
		return Address{}
	}
	m := node.below("address", "address")
	a := Address{CIDR: m.prefix("cidr"), Gateway: m.ip("gateway")}
	if a.CIDR.IsValid() {
		m.refuse("cidr", hostPartProblem(a.CIDR, a.CIDR.Addr()))
	}
	if a.CIDR.IsValid() && a.Gateway.IsValid() && !m.wrong("cidr") {
		m.refuse("gateway", a.gatewayProblem())
	}
	a.DNS = readDNS(m, a.Gateway)
	return a
}

// readDNS reads the name servers. Without any, it is the gateway, as in most
// houses.
func readDNS(m *mapping, gateway netip.Addr) []netip.Addr {
	if !m.has("dns") {
		return []netip.Addr{gateway}
	}
	var servers []netip.Addr
	items := m.list("dns")
	for _, it := range items {
		if text, ok := m.in.scalar(it.value, it.place); ok {
			server, p := parseIP(text)
			m.in.add(it.place, p)
			servers = append(servers, server)
		}
	}
	if len(items) == 0 {
		m.refuse("dns", emptyList)
	}
	return servers
}

func (m *mapping) prefix(key string) netip.Prefix {
	text := m.need(key, "192.168.2.5/24")
	if text == "" {
		return netip.Prefix{}
	}
	prefix, err := netip.ParsePrefix(text)
	if err == nil && prefix.Addr().Is4() {
		return prefix
	}
	if addr, err := netip.ParseAddr(text); err == nil && addr.Is4() {
		m.refuse(key, addressWithoutLength(addr))
	} else {
		m.refuse(key, badCIDR)
	}
	return netip.Prefix{}
}

func (m *mapping) ip(key string) netip.Addr {
	text := m.need(key, "192.168.2.1")
	if text == "" {
		return netip.Addr{}
	}
	addr, p := parseIP(text)
	m.refuse(key, p)
	return addr
}

func parseIP(text string) (netip.Addr, problem) {
	addr, err := netip.ParseAddr(text)
	if err != nil || !addr.Is4() || addr.IsMulticast() || addr.IsUnspecified() || addr.IsLoopback() {
		return netip.Addr{}, badIP
	}
	return addr, problem{}
}

// hostPartProblem judges whether addr can be a machine in network.
func hostPartProblem(network netip.Prefix, addr netip.Addr) problem {
	first := network.Masked().Addr()
	switch {
	case addr.IsMulticast() || addr.IsUnspecified() || addr.IsLoopback() || addr.IsLinkLocalUnicast():
		return notForHosts(addr)
	case network.Bits() > 30:
		return smallNetwork(network)
	case addr == first:
		return networkAddress(addr, network.Masked())
	case !network.Contains(addr.Next()):
		return broadcastAddress(addr, network.Masked())
	}
	return problem{}
}

func (a Address) gatewayProblem() problem {
	switch {
	case !a.CIDR.Contains(a.Gateway):
		return gatewayOutside(a.Gateway, a.CIDR.Masked())
	case a.Gateway == a.CIDR.Addr():
		return gatewayIsNode(a.Gateway)
	}
	return hostPartProblem(a.CIDR, a.Gateway)
}
