package plan

import (
	"slices"

	"berries/firstboot/node"
	"berries/profiles"
)

// The account that geo-replication logs in as at the remote node.
const (
	geoUser  = "geoaccount"
	geoGroup = "geogroup"
	geoRoot  = "/var/mountbroker-root"
)

// geoRep is what a storage node is told of the remote node that gets a copy, where the
// cluster has one. Keys are minted, and so no part of a plan.
func geoRep(c *profiles.Cluster, n profiles.Node) *node.GeoRep {
	i := slices.IndexFunc(c.Nodes, func(n profiles.Node) bool { return n.Role == profiles.Remote })
	if n.Role != profiles.Storage || i < 0 {
		return nil
	}
	remote := c.Nodes[i]
	g := &node.GeoRep{Remote: remote.Name, Host: remote.Host, Port: remote.SSHPort, User: geoUser, HostKeys: []string{}}
	if c.Tunnel != nil {
		g.Host = "" // its name leads there
	}
	return g
}

// secondary is what the remote node is told of the storage nodes.
func secondary(c *profiles.Cluster, n profiles.Node) *node.Secondary {
	if n.Role != profiles.Remote {
		return nil
	}
	s := &node.Secondary{Port: n.SSHPort, User: geoUser, Group: geoGroup, Root: geoRoot}
	for _, m := range members(c) {
		s.Primaries = append(s.Primaries, node.Primary{Name: m.Name})
	}
	return s
}
