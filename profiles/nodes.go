package profiles

import (
	"fmt"
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
	relate(machines)
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
		WebPort: remotePort, SSHPort: sshPort, Host: ddns.host()})
}

// readNode reads one node. Its default web port depends on the ones before it.
func readNode(m, root *mapping, ddns *DDNS, before []machine) Node {
	n := Node{
		Name:    m.need("name", fmt.Sprintf("cluster%02d", len(before)+1)),
		Role:    Role(m.need("role", string(Storage))),
		Address: readAddress(m),
		SSHPort: m.port("ssh_port", sshPort),
	}
	m.refuse("name", labelProblem(n.Name))
	m.refuse("role", n.Role.problem())
	n.WebPort = m.port("web_port", n.Role.webPort(len(ofRole(before, Storage))))
	if n.WebPort == n.SSHPort {
		m.refuse("web_port", portOfSSH(n.WebPort))
	}
	switch n.Role {
	case Remote:
		n.readRemote(m, root, ddns)
	case Balancer:
		n.readBalancer(m)
	case Storage:
		if m.has("host") {
			m.refuse("host", hostOfStorage)
		}
	}
	if n.Role != Balancer && !m.wrong("role") {
		m.refuseServerNames()
	}
	return n
}

// readRemote reads what only a remote node has: dynamic DNS, whose name it
// answers to unless the profile gives another.
func (n *Node) readRemote(m, root *mapping, ddns *DDNS) {
	if !root.has("ddns") {
		root.refuse("ddns", remoteWithoutDDNS(n.Name))
	}
	if n.Host = ddns.host(); m.has("host") {
		n.Host = m.text("host", "")
		m.refuse("host", hostProblem(n.Host))
	}
}

// readBalancer reads what only a balancer has: its public names.
func (n *Node) readBalancer(m *mapping) {
	n.Host = m.need("host", "balancer.example.net")
	m.refuse("host", hostProblem(n.Host))
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
}

func (m *mapping) refuseServerNames() {
	for _, key := range []string{"server_name", "server_aliases"} {
		if m.has(key) {
			m.refuse(key, serverNameElsewhere)
		}
	}
}

// port reads a TCP port.
func (m *mapping) port(key string, fallback int) int {
	port := m.number(key, fallback)
	switch {
	case port < 1 || port > 65535:
		m.refuse(key, badPort)
	case port == 24007 || port == 24008 || port >= 49152 && port <= 60999:
		m.refuse(key, portOfGluster(port))
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
