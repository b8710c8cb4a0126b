package profiles

import (
	"slices"
	"strconv"
	"strings"
)

// relate judges what the nodes are to each other. Apart means that no tunnel joins them.
func relate(machines []machine, apart bool) {
	distinct(machines, "name", sameName, func(m machine) string { return m.Name })
	storage, remote, balancer := ofRole(machines, Storage), ofRole(machines, Remote), ofRole(machines, Balancer)
	relateHosts(machines)
	distinct(storage, "web_port", samePort, func(m machine) string { return strconv.Itoa(m.WebPort) })
	relateRouterPorts(storage)
	relateAddresses(storage)
	atMostOne(remote)
	atMostOne(balancer)
	switch {
	case len(balancer) == 0:
		unasked(storage)
	case apart:
		reachable(storage, balancer[0])
	}
	relateTunnelPort(machines, apart)
}

// count judges how many nodes of each role there are.
func (root *mapping) count(machines []machine) {
	if n := len(ofRole(machines, Storage)); n == 0 || n%3 != 0 {
		root.refuse("nodes", storageCount(n))
	}
	if len(ofRole(machines, Remote)) == 0 && root.has("ddns") {
		root.refuse("ddns", ddnsWithoutRemote)
	}
	for _, m := range ofRole(machines, Balancer) {
		if len(ofRole(machines, Remote)) == 0 && m.at.has("remote") {
			m.at.refuse("remote", noRemoteToBalance)
		}
	}
}

func ofRole(machines []machine, roles ...Role) []machine {
	var found []machine
	for _, m := range machines {
		if slices.Contains(roles, m.Role) {
			found = append(found, m)
		}
	}
	return found
}

// distinct finds machines that share what each should have for itself. Values
// that are missing or wrong in themselves are passed over.
func distinct(machines []machine, key string, p func(value, other string) problem, value func(machine) string) {
	seen := map[string]machine{}
	for _, m := range machines {
		v := value(m)
		if v == "" || m.at.wrong(key) {
			continue
		}
		if first, again := seen[v]; again {
			m.at.refuse(key, p(v, first.called()))
			continue
		}
		seen[v] = m
	}
}

// called names the machine in a mistake of another one.
func (m machine) called() string {
	if m.Name == "" {
		return m.at.at.path
	}
	return m.Name + " (line " + strconv.Itoa(m.at.at.line) + ")"
}

// relateHosts finds nodes that share a host. Storage nodes may: it is the router of
// their house. Names that nodes keep themselves are relateNames's.
func relateHosts(machines []machine) {
	host := func(m machine) string {
		if m.at.has("ddns") && !m.at.has("host") {
			return ""
		}
		return m.Host
	}
	distinct(ofRole(machines, Remote, Balancer), "host", sameHost, host)
	for _, m := range ofRole(machines, Storage) {
		distinct(append(ofRole(machines, Remote, Balancer), m), "host", sameHost, host)
	}
}

// relateNames finds nodes that keep a name by dynamic DNS which leads elsewhere: another
// node keeps it, too, or it is the host of one in another house.
func relateNames(machines []machine, ddns *DDNS) {
	kept := map[string]string{} // by whom
	if remote := ofRole(machines, Remote); len(remote) > 0 && !remote[0].at.has("ddns") {
		kept[strings.ToLower(ddns.host())] = remote[0].called()
	}
	for _, m := range machines {
		name := strings.ToLower(m.DDNS.host())
		if name == "" || !m.at.has("ddns") || m.at.wrong("ddns") {
			continue
		}
		keeps := m.at.below("ddns", "ddns")
		if other, again := kept[name]; again {
			keeps.refuse("host", sameDDNS(name, other))
			continue
		}
		kept[name] = m.called()
		for _, o := range machines {
			if strings.ToLower(o.Host) == name && o.at != m.at && o.at.has("host") && (o.Role != Storage || m.Role != Storage) {
				keeps.refuse("host", otherHouse(name, o.called()))
			}
		}
	}
}

// reachable refuses storage nodes that a balancer has no way to: it does not know
// the addresses that they get by DHCP.
func reachable(storage []machine, balancer machine) {
	for _, m := range storage {
		if m.Host == "" && m.Address.DHCP() && !m.at.wrong("address", "host", "ddns") {
			m.at.refuse("host", unreachable(balancer.called(), m.WebPort))
		}
	}
}

// unasked refuses hosts of storage nodes in a cluster without a balancer.
func unasked(storage []machine) {
	for _, m := range storage {
		if m.at.has("host") {
			m.at.refuse("host", hostOfStorage)
		}
	}
}

// relateRouterPorts finds storage nodes that want the same port of the router of their
// house. Web ports that are the same have been refused already.
func relateRouterPorts(storage []machine) {
	type use struct {
		machine
		word string
	}
	taken := map[int]use{}
	for _, m := range storage {
		if m.at.wrong("router_ports", "web_port", "ssh_port") {
			continue
		}
		for _, word := range m.RouterPorts {
			port := m.Port(word)
			first, again := taken[port]
			if again && (word == PortSSH || first.word == PortSSH) {
				m.at.refuse("router_ports", sameRouterPort(port, first.called()))
			}
			taken[port] = use{m, word}
		}
	}
}

// relateTunnelPort finds nodes whose router is to forward the tunnel's port to them and
// that nobody calls there.
func relateTunnelPort(machines []machine, apart bool) {
	var nodes []Node
	for _, m := range machines {
		nodes = append(nodes, m.Node)
	}
	hub := hubOf(nodes)
	for _, m := range machines {
		for _, it := range m.at.list("router_ports") {
			if it.value.Value == PortTunnel && (apart || hub.Name != m.Name) {
				m.at.in.add(it.place, tunnelPortElsewhere(hub.Name, apart))
			}
		}
	}
}

// relateAddresses judges the fixed addresses of the storage nodes, which share
// one network in one house. A remote node's network is another one and may
// well use the same private addresses.
func relateAddresses(storage []machine) {
	var fixed []machine
	for _, m := range storage {
		if m.at.hasMapping("address") && !m.at.wrong("address") {
			fixed = append(fixed, m)
		}
	}
	for i, m := range fixed {
		if first := fixed[0]; m.Address.CIDR.Masked() != first.Address.CIDR.Masked() {
			m.at.refuse("address", otherNetwork(m.Address.CIDR.Masked(), first.Address.CIDR.Masked(), first.called()))
		}
		for _, other := range fixed[:i] {
			if m.Address.CIDR.Addr() == other.Address.CIDR.Addr() {
				m.at.refuse("address", sameAddress(m.Address.CIDR.Addr(), other.called()))
			}
		}
	}
}

// atMostOne refuses the second and every further node of a role.
func atMostOne(machines []machine) {
	for i, m := range machines {
		if i > 0 {
			m.at.refuse("role", secondOfRole(m.Role, machines[0].called()))
		}
	}
}
