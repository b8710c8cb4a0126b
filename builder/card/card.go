// Package card writes images onto cards: it finds the disks of this machine, says
// which of them must not be written, and writes and reads back.
//
// Data flow: a Machine reads /sys and /proc and gives Devices; Look reads what is on
// them now; Refuse says why one must not be written. An Image is a file and its block
// map. Open takes a device for us alone, and Card.Write brings the image onto it.
//
// Write is made so that a card that boots is a card that is whole. First the start of
// the card, the partition table in it, is overwritten with zeros; then everything but
// the first MiB is written, flushed, read back past all caches and compared with the
// block map; the first MiB comes last, and of it the first sector, which the firmware
// needs before anything else. The image is checked against its block map while it is
// read, so that it is read once.
//
// A packed image is unpacked while it is written; its block map must lie beside it.
//
// The package compiles everywhere, but only Linux can open a card (device_linux.go).
// It does not unmount: what is mounted is in use.
package card

import (
	"fmt"
	"strings"

	"berries/builder/progress"
)

// Device is a whole disk of this machine, whatever it is.
type Device struct {
	Path      string `json:"path"`   // such as /dev/sda
	Number    string `json:"number"` // "major:minor"
	Model     string `json:"model,omitempty"`
	Serial    string `json:"serial,omitempty"`
	Size      int64  `json:"size"` // bytes; 0 for a reader without a card
	Sector    int64  `json:"sector"`
	Removable bool   `json:"removable"` // the card, or the whole disk, can be taken out
	ReadOnly  bool   `json:"read_only,omitempty"`
	// System is what of the running system lies on it, such as "/" or "swap".
	System []string `json:"system,omitempty"`
	// Mounted are the mount points of it and its partitions.
	Mounted []string `json:"mounted,omitempty"`
	// Held are what the kernel made of it or its partitions: LVM, crypt, RAID.
	Held       []string    `json:"held,omitempty"`
	Partitions []Partition `json:"partitions,omitempty"`
	// Node and Cluster are what a card of ours is for, once Look has looked.
	Node    string `json:"node,omitempty"`
	Cluster string `json:"cluster,omitempty"`
	// Unread says why nobody could look.
	Unread string `json:"unread,omitempty"`
}

// Partition is a part of a Device, as the kernel knows it.
type Partition struct {
	Number int    `json:"number"`
	Start  int64  `json:"start"` // bytes
	Size   int64  `json:"size"`
	Type   string `json:"type,omitempty"` // of the filesystem, as far as Look knows it
	Label  string `json:"label,omitempty"`
}

// What is the device in words: "SanDisk Ultra, 31.9 GB, serial 4C530001".
func (d Device) What() string {
	words := []string{}
	if d.Model != "" {
		words = append(words, d.Model)
	}
	words = append(words, progress.Bytes(d.Size))
	if d.Serial != "" {
		words = append(words, "serial "+d.Serial)
	}
	return strings.Join(words, ", ")
}

// Holds is what is on the device, in words.
func (d Device) Holds() string {
	var parts []string
	for _, p := range d.Partitions {
		kind := p.Type
		if kind == "" {
			kind = "unknown"
		}
		if p.Label != "" {
			kind = p.Label + " (" + kind + ")"
		}
		parts = append(parts, kind)
	}
	list := strings.Join(parts, ", ")
	switch {
	case d.Node != "":
		return fmt.Sprintf("the node %s of the cluster %s: %s", d.Node, d.Cluster, list)
	case d.Unread != "":
		return "unknown: " + d.Unread
	case len(parts) == 0:
		return "no partitions"
	}
	return list
}
