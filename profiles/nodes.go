package profiles

import (
	"fmt"
	"net/netip"
	"slices"
)

// The ports of the magazine article: the home router forwards 8081, 8082, …
// to the storage nodes one by one.
const (
	firstStoragePort = 8081
	remotePort       = 8480
	balancerPort     = 80
	sshPort          = 22
)

// Roles are all roles, in the order in which a cluster is built.
var roles = []string{string(Storage), string(Remote), string(Balancer)}

// machine is a node together with its place in the profile.
type machine struct {
	Node
	at *mapping
}

// readNodes reads the list of nodes; without one it is the article's four.
// They are counted only when every entry could be read and has a role.
func readNodes(root *mapping, ddns *DDNS) []Node {
	if !root.has("nodes") {
		if !root.has("ddns") {
			root.refuse("ddns", remoteWithoutDDNS(articleRemote))
		}
		return articleNodes(ddns)
	}
	var machines []machine
	var nodes []Node
	items := root.list("nodes")
	complete := !root.in.bad["nodes"]
	for _, it := range items {
		m := root.in.mapping(it.value, it.place, "node")
		if m == nil {
			complete = false
			continue
		}
		n := readNode(m, root, ddns, machines)
		complete = complete && !m.wrong("role")
		machines, nodes = append(machines, machine{n, m}), append(nodes, n)
	}
	relate(machines, root.says("tunnel", noTunnel))
	relateNames(machines, ddns)
	if complete {
		root.count(machines)
	}
	return nodes
}

const articleRemote = "cluster04"

func articleNodes(ddns *DDNS) []Node {
	var nodes []Node
	for i := range 3 {
		nodes = append(nodes, Node{Name: fmt.Sprintf("cluster%02d", i+1), Role: Storage,
			WebPort: firstStoragePort + i, SSHPort: sshPort})
	}
	return append(nodes, Node{Name: articleRemote, Role: Remote,
		WebPort: remotePort, SSHPort: sshPort, Host: ddns.host(), DDNS: ddns})
}

// readNode reads one node. Its default web port depends on the ones before it.
func readNode(m, root *mapping, ddns *DDNS, before []machine) Node {
	n := Node{
		Name:    m.need("name", fmt.Sprintf("cluster%02d", len(before)+1)),
		Role:    Role(m.need("role", string(Storage))),
		Address: readAddress(m),
		SSHPort: m.port("ssh_port", sshPort),
		DDNS:    readDDNS(m),
	}
	m.refuse("name", labelProblem(n.Name))
	m.refuse("role", n.Role.problem())
	n.WebPort = m.port("web_port", n.Role.webPort(len(ofRole(before, Storage))))
	if n.WebPort == n.SSHPort {
		m.refuse("web_port", portOfSSH("web_port", n.WebPort))
	}
	n.readRouterPorts(m)
	switch n.Role {
	case Remote:
		n.readRemote(m, root, ddns)
	case Balancer:
		n.readBalancer(m)
	case Storage:
		n.readStorage(m)
	}
	if n.Role != Balancer && !m.wrong("role") {
		m.refuseBalancing()
	}
	return n
}

// readRouterPorts reads which ports the router of a node is asked to forward to it.
func (n *Node) readRouterPorts(m *mapping) {
	for _, it := range m.list("router_ports") {
		word, ok := m.in.scalar(it.value, it.place)
		switch known := []string{PortWeb, PortSSH, PortTunnel}; {
		case !ok:
		case !slices.Contains(known, word):
			m.in.add(it.place, notOneOf("port", word, known))
		case slices.Contains(n.RouterPorts, word):
			m.in.add(it.place, entryTwice(word))
		default:
			n.RouterPorts = append(n.RouterPorts, word)
		}
	}
	if n.Role == Balancer && m.has("router_ports") {
		m.refuse("router_ports", balancerBehindRouter)
	}
}

// readHost reads where other houses reach the node: by default at the name that it keeps
// by dynamic DNS.
func (n *Node) readHost(m *mapping) {
	if n.Host = n.DDNS.host(); m.has("host") {
		n.Host = m.text("host", "")
		m.refuse("host", hostProblem(n.Host))
	}
}

// readStorage reads the name of the router that a storage node is behind. A balancer
// reaches one with a fixed address at that, unless the profile says otherwise.
func (n *Node) readStorage(m *mapping) {
	n.readHost(m)
	if !m.has("host") && !n.Address.DHCP() {
		n.Host = ""
	}
}

// readRemote reads what only a remote node has: the dynamic DNS of the cluster, unless it
// has its own.
func (n *Node) readRemote(m, root *mapping, ddns *DDNS) {
	switch {
	case !m.has("ddns") && !root.has("ddns"):
		root.refuse("ddns", remoteWithoutDDNS(n.Name))
	case !m.has("ddns"):
		n.DDNS = ddns
	case root.has("ddns"):
		m.refuse("ddns", givenTwice("the ddns of the cluster", "that of the node"))
	}
	n.readHost(m)
}

// The words for what a balancer does with the remote node, whose copy may be a
// little behind.
const (
	remoteEqual   = "equal"
	remoteStandby = "standby"
)

// readBalancer reads what only a balancer has: its public names, and how much it
// sends to the remote node.
func (n *Node) readBalancer(m *mapping) {
	if !m.has("host") && !m.has("ddns") {
		m.refuse("host", missing("host", "balancer.example.net"))
	}
	n.readHost(m)
	n.ServerName = n.Host
	if m.has("server_name") {
		n.ServerName = m.text("server_name", "")
		m.refuse("server_name", domainProblem(n.ServerName))
	}
	for _, it := range m.list("server_aliases") {
		if alias, ok := m.in.scalar(it.value, it.place); ok {
			m.in.add(it.place, domainProblem(alias))
			n.ServerAliases = append(n.ServerAliases, alias)
		}
	}
	remote := m.text("remote", remoteEqual)
	if known := []string{remoteEqual, remoteStandby}; !slices.Contains(known, remote) {
		m.refuse("remote", notOneOf("remote", remote, known))
	}
	n.RemoteStandby = remote == remoteStandby
	if _, err := netip.ParseAddr(n.Host); err == nil && n.DDNS.host() != "" && n.ServerName == n.Host && len(n.ServerAliases) == 0 {
		m.refuse("ddns", nameOfNoUse(n.DDNS.host(), n.Host))
	}
	n.readHTTPS(m)
}

// refuseBalancing refuses the keys of a balancer on another node.
func (m *mapping) refuseBalancing() {
	for _, key := range []string{"server_name", "server_aliases"} {
		if m.has(key) {
			m.refuse(key, serverNameElsewhere)
		}
	}
	if m.has("remote") {
		m.refuse("remote", remoteElsewhere)
	}
	if m.has("https") {
		m.refuse("https", httpsElsewhere)
	}
}

// peerPort is berry-firstboot's own (peers.Port, which profiles know nothing of).
const peerPort = 24017

// port reads a TCP port.
func (m *mapping) port(key string, fallback int) int {
	port := m.number(key, fallback)
	switch {
	case port < 1 || port > 65535:
		m.refuse(key, badPort)
	case port == 24007 || port == 24008 || port >= 49152 && port <= 60999:
		m.refuse(key, portOfGluster(port))
	case port == peerPort:
		m.refuse(key, portOfPeers(port))
	}
	return port
}

// problem judges the role.
func (r Role) problem() problem {
	if !slices.Contains(roles, string(r)) {
		return notOneOf("role", string(r), roles)
	}
	return problem{}
}

// webPort is the default port of a node of this role, with so many storage
// nodes before it.
func (r Role) webPort(storageBefore int) int {
	switch r {
	case Remote:
		return remotePort
	case Balancer:
		return balancerPort
	}
	return firstStoragePort + storageBefore
}

// host is the name that dynamic DNS keeps, or "" when there is none.
func (d *DDNS) host() string {
	if d == nil {
		return ""
	}
	return d.Host
}
