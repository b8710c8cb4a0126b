// Package node is the contract between the two programs: the builder writes
// one node file into each image, and berry-firstboot on that node reads it.
// It is the only thing a node knows about its cluster.
//
// The file is JSON, owned by root with mode 0600, because later versions
// carry this node's secrets. Read is strict: an unknown field, a missing one or
// another version is an error, since a builder and a first-boot service that
// disagree must not guess. Encode refuses what Read would refuse, and gives the
// same bytes for the same File.
package node

import (
	"encoding/json"
	"fmt"
)

// Version is the version of the contract. It is raised whenever a field is
// added, removed or changes its meaning.
const Version = 1

// Path is where the node file lies on a node.
const Path = "/etc/berry/node.json"

// Mode is the file mode that the node file has, and must have.
const Mode = 0o600

// The roles a node can have, in the words of the profile.
const (
	Storage  = "storage"
	Remote   = "remote"
	Balancer = "balancer"
)

// File is everything one node is told. The builder writes every field; the
// steps named beside each read it.
type File struct {
	Version  int    `json:"version"`
	Cluster  string `json:"cluster"`   // the cluster's name; status
	Name     string `json:"name"`      // this node's host name; identity
	Role     string `json:"role"`      // Storage, Remote or Balancer; decides which steps run
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

// Encode returns the node file's bytes. The same File gives the same bytes.
func Encode(f File) ([]byte, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("node file of %s: %w", f.Name, err)
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("node file of %s: %w", f.Name, err)
	}
	return append(data, '\n'), nil
}
