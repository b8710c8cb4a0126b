// Package node is the contract between the two programs: the builder writes
// one node file into each image, and berry-firstboot on that node reads it.
// It is the only thing a node knows about its cluster.
//
// The file is JSON, owned by root with mode 0600, because later versions
// carry this node's secrets. Read is strict: an unknown field, a missing one or
// another version is an error, since a builder and a first-boot service that
// disagree must not guess.
package node

// Version is the version of the contract. It is raised whenever a field is
// added, removed or changes its meaning.
const Version = 1

// Path is where the node file lies on a node.
const Path = "/etc/berry/node.json"

// File is everything one node is told. The builder writes every field; the
// steps named beside each read it.
type File struct {
	Version  int    `json:"version"`
	Cluster  string `json:"cluster"`   // the cluster's name; status
	Name     string `json:"name"`      // this node's host name; identity
	Role     string `json:"role"`      // storage, remote or balancer; decides which steps run
	TimeZone string `json:"time_zone"` // IANA name; identity
	Locale   string `json:"locale"`    // such as en_GB.UTF-8, generated where the base lacks it; identity
	// Brick is nil on a node that holds no brick (the balancer).
	Brick *Brick `json:"brick,omitempty"`
}

// Brick is the third partition of the card. Read by the card step.
type Brick struct {
	Label string `json:"label"` // filesystem label that finds the partition
	Mount string `json:"mount"` // where it is mounted, such as /export
	Dir   string `json:"dir"`   // brick directory, below Mount, such as /export/brick
	// Size is the size in bytes that the partition grows to; 0 means to the end
	// of the card. A card that is too small for it gets what there is.
	Size int64 `json:"size"`
}
