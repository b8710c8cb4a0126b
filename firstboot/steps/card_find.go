package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// card is one look at the card: the disk that holds "/", and the brick on it.
type card struct {
	disk  host.Disk
	part  host.Partition // the brick's, as the kernel knows it
	entry entry          // the brick's, in the table on the card
	fs    host.Ext4
	want  int64 // sectors that the brick's partition should have
}

// entry is one partition of a table, in sectors, as sfdisk prints it.
type entry struct {
	Node  string `json:"node"` // device node
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
}

// findCard finds the brick, and refuses a disk on which it could not safely
// grow.
func findCard(ctx context.Context, h *host.Host, b node.Brick) (card, error) {
	root, found, err := h.MountAt("/")
	if err != nil {
		return card{}, err
	}
	if !found || strings.HasPrefix(root.Device, "0:") {
		return card{}, errors.New("the root filesystem is not on a partition of a card")
	}
	var c card
	if c.disk, err = h.DiskOf(root.Device); err != nil {
		return card{}, fmt.Errorf("cannot find the card that / is on: %w", err)
	}
	if c.part, c.fs, err = findBrick(h, c.disk, b.Label); err != nil {
		return card{}, err
	}
	if c.part.Device == root.Device {
		return card{}, fmt.Errorf("%s is labelled %s, but is the root filesystem", c.part.Path, b.Label)
	}
	table, err := readTable(ctx, h, c.disk.Path)
	if err != nil {
		return card{}, err
	}
	if c.entry, err = brickEntry(table, c.part); err != nil {
		return card{}, fmt.Errorf("partition table of %s: %w", c.disk.Path, err)
	}
	c.want = target(c.disk.Sectors, c.entry.Start, b.Size)
	return c, nil
}

// findBrick finds the one partition of a disk whose filesystem has the label.
func findBrick(h *host.Host, d host.Disk, label string) (part host.Partition, fs host.Ext4, err error) {
	found := 0
	for _, p := range d.Partitions {
		e, err := h.Ext4(p.Path)
		if errors.Is(err, host.ErrNotExt4) {
			continue
		}
		if err != nil {
			return part, fs, err
		}
		if e.Label == label {
			part, fs, found = p, e, found+1
		}
	}
	switch found {
	case 0:
		return part, fs, fmt.Errorf("no partition of %s is labelled %s", d.Path, label)
	case 1:
		return part, fs, nil
	}
	return part, fs, fmt.Errorf("%d partitions of %s are labelled %s", found, d.Path, label)
}

// readTable reads the partition table as it lies on the card, which may be ahead
// of what the kernel knows.
func readTable(ctx context.Context, h *host.Host, disk string) ([]entry, error) {
	res, err := h.Runner.Run(ctx, host.Command("sfdisk", "--json", disk))
	if err != nil {
		return nil, fmt.Errorf("cannot read the partition table of %s: %w", disk, err)
	}
	var out struct {
		Table struct {
			Label      string  `json:"label"`
			SectorSize int64   `json:"sectorsize"`
			Partitions []entry `json:"partitions"`
		} `json:"partitiontable"`
	}
	if err := json.Unmarshal(res.Stdout, &out); err != nil {
		return nil, fmt.Errorf("cannot read the partition table of %s: sfdisk --json: %w", disk, err)
	}
	if out.Table.Label != "dos" || out.Table.SectorSize != host.SectorSize {
		return nil, fmt.Errorf("partition table of %s: it is %q in sectors of %d bytes, want \"dos\" in sectors of %d",
			disk, out.Table.Label, out.Table.SectorSize, host.SectorSize)
	}
	return out.Table.Partitions, nil
}

// brickEntry finds the brick's entry in a table. It must be the last on the disk,
// and where the kernel believes it to be.
func brickEntry(table []entry, part host.Partition) (entry, error) {
	i := slices.IndexFunc(table, func(e entry) bool { return e.Node == part.Path })
	if i < 0 {
		return entry{}, fmt.Errorf("it has no entry for %s", part.Path)
	}
	e := table[i]
	if e.Start != part.Start {
		return entry{}, fmt.Errorf("%s starts at sector %d, but the kernel knows it at %d; type: reboot", e.Node, e.Start, part.Start)
	}
	for _, other := range table {
		if other.Start > e.Start {
			return entry{}, fmt.Errorf("%s lies behind %s, which so cannot grow", other.Node, e.Node)
		}
	}
	return e, nil
}

const (
	// mbrEnd is the first sector that an MBR cannot reach: both numbers of an
	// entry have 32 bits.
	mbrEnd = 1 << 32
	// alignment is what the size is rounded down to, in sectors: 1 MiB.
	alignment = 1 << 20 / host.SectorSize
)

// target is how many sectors a partition from start should have on a disk of that
// many: up to the end of the disk, or bytes when that is not 0.
func target(disk, start, bytes int64) int64 {
	room := min(disk, mbrEnd) - start
	if bytes > 0 {
		room = min(room, bytes/host.SectorSize)
	}
	return room / alignment * alignment
}

// inContainer tells whether the machine is a container, whose root filesystem
// lies on no partition of its own. The file is written by systemd
// (systemd.io/CONTAINER_INTERFACE).
func inContainer(h *host.Host) bool {
	root, found, err := h.MountAt("/")
	return err == nil && found && strings.HasPrefix(root.Device, "0:") && h.Files.Exists("/run/systemd/container")
}
