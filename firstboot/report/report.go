// Package report is what a node can tell of itself and of the nodes it reaches: for the
// operator's `berry status` and `berry watch`, and for the status page.
//
// It is gathered when somebody asks, kept for a few seconds, and holds no secrets:
// the status page shows all of it to whoever is on the LAN.
package report

import (
	"net/netip"
	"time"

	"berries/firstboot/status"
)

// Cluster is what one node knows of all nodes, itself included, in the profile's order.
type Cluster struct {
	Name  string `json:"name"` // the cluster's, from the node file
	From  string `json:"from"` // the node that tells it
	Nodes []Node `json:"nodes"`
}

// Node is one node of a Cluster. Silent nodes have a Silent text and no Report.
type Node struct {
	Name   string  `json:"name"`
	Role   string  `json:"role"`
	Silent string  `json:"silent,omitempty"` // why there is no report, on one line
	Report *Report `json:"report,omitempty"`
}

// Report is what a node tells of itself. What is nil does not apply to the node's role,
// or is not known yet.
type Report struct {
	Status    status.Status     `json:"status"`
	Words     string            `json:"words"` // where it stands, as its console says it: step 4/9 peers: …, or ready
	Addresses []netip.Addr      `json:"addresses"`
	Versions  map[string]string `json:"versions"` // by program or package
	Uptime    float64           `json:"uptime"`   // seconds
	Brick     *Brick            `json:"brick,omitempty"`
	// Heal is how many entries wait to be healed on this node's brick.
	Heal   *int      `json:"heal,omitempty"`
	GeoRep *GeoRep   `json:"georep,omitempty"`
	Web    *Web      `json:"web,omitempty"`
	Made   time.Time `json:"made"` // by the node's own clock
}

// Brick is the node's part of the volume.
type Brick struct {
	State string `json:"state"` // "online", "offline", "new", "filling"
	Used  int64  `json:"used"`  // bytes of the filesystem
	Size  int64  `json:"size"`  // bytes of the filesystem
}

// GeoRep is the copy at the remote node, as this node sees it.
type GeoRep struct {
	State string `json:"state"` // gluster's word: Active, Passive, Faulty, …; on the remote node: whole, behind
	Words string `json:"words"` // what there is to say, on one line; "" when all is well
}

// Web is what the node's Apache answers to a visitor.
type Web struct {
	Port    int  `json:"port"`
	Code    int  `json:"code"` // of the health URL, or of the site on a balancer; 0 when nobody answers
	Serving bool `json:"serving"`
}
