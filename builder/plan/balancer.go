package plan

import (
	"berries/firstboot/node"
	"berries/profiles"
)

// balancing is what the balancer is told: its own names, and where it reaches the
// others.
func balancing(c *profiles.Cluster, n profiles.Node) *node.Balancing {
	b := &node.Balancing{Port: n.WebPort, ServerName: n.ServerName, Aliases: append([]string{}, n.ServerAliases...)}
	b.HTTPS = https(n.HTTPS)
	for i, m := range c.Nodes {
		if m.Role == profiles.Balancer {
			continue
		}
		standby := m.Role == profiles.Remote && n.RemoteStandby
		b.Members = append(b.Members, node.Server{Name: m.Name, Host: reached(c, i), Port: m.WebPort, Standby: standby})
	}
	return b
}

// https is where the balancer's certificate comes from. It lacks the key.
func https(s *profiles.HTTPS) *node.HTTPS {
	switch {
	case s == nil:
		return nil
	case s.ACME != nil:
		return &node.HTTPS{Port: s.Port, ACME: &node.ACME{Email: s.ACME.Email, Server: s.ACME.Server}}
	}
	return &node.HTTPS{Port: s.Port, Pair: &node.Pair{Chain: s.Certificate}}
}

// reached is where the balancer reaches the profile's node i: in the tunnel, where there
// is one. Without, the profile has a host or a fixed address for each.
func reached(c *profiles.Cluster, i int) string {
	n := c.Nodes[i]
	if c.Tunnel != nil {
		return c.Tunnel.Address(i).Addr().String()
	}
	if n.Host != "" {
		return n.Host
	}
	return n.Address.CIDR.Addr().String()
}
