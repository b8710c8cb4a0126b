package plan

import (
	"berries/firstboot/node"
	"berries/profiles"
)

// tunnel is what a node is told of the tunnel, without the keys, which are minted.
func tunnel(c *profiles.Cluster) *node.Tunnel {
	if c.Tunnel == nil {
		return nil
	}
	t := &node.Tunnel{Network: c.Tunnel.Network.String(), Hub: c.Tunnel.Hub, Port: c.Tunnel.Port}
	for i, n := range c.Nodes {
		t.Ends = append(t.Ends, node.End{Name: n.Name, Address: c.Tunnel.Address(i).Addr().String()})
		if n.Name == t.Hub {
			t.Host = n.Host
		}
	}
	return t
}
