package profiles

// pagePort is the default port of the status page, the one behind the peers'.
const pagePort = peerPort + 1

// noPage is the word for a cluster without status pages.
const noPage = "off"

// StatusPage is the page on which every node shows the whole cluster.
type StatusPage struct {
	Port int // TCP
}

// readStatusPage reads what the nodes show to whoever is on their LAN: the word off, or
// a mapping.
func readStatusPage(root *mapping, nodes []Node) *StatusPage {
	if root.has("status_page") && !root.hasMapping("status_page") {
		if word := root.text("status_page", noPage); word != noPage {
			root.refuse("status_page", badPageWord(word))
		}
		return nil
	}
	page := &StatusPage{pagePort}
	if m := root.below("status_page", "status_page"); m != nil {
		page.Port = m.port("port", pagePort)
	}
	if !root.wrong("status_page") {
		root.refuse("status_page", page.problem(nodes))
	}
	return page
}

// problem tells whether a node needs the page's port for something else.
func (p StatusPage) problem(nodes []Node) problem {
	for _, n := range nodes {
		switch {
		case p.Port == n.WebPort:
			return portOfNode(p.Port, "web_port", n.Name)
		case p.Port == n.SSHPort:
			return portOfNode(p.Port, "ssh_port", n.Name)
		case n.HTTPS != nil && p.Port == n.HTTPS.Port:
			return portOfNode(p.Port, "https.port", n.Name)
		}
	}
	return problem{}
}
