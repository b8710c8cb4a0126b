package steps

import (
	"context"
	"fmt"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"

	"github.com/coreos/go-systemd/v22/unit"
)

// Card grows the brick to the size of the card and makes its directory.
//
// It needs the brick partition, found by its filesystem's label, last on the
// disk that holds "/": a second card in a reader has the same labels, and is not
// touched. It needs the mount unit that fstab gives rise to, and the programs
// sfdisk (package fdisk), partx and resize2fs. It leaves the partition ending
// within slack of the card's end or at the size asked for, its filesystem of the
// same size, mounted, and the brick directory in it.
//
// All of that happens while the filesystem is in use, in an order in which every
// cut leaves something that the next look recognizes: the table on the card, what
// the kernel knows of it, the mount, the filesystem, the directory. The table is
// one sector, which a card writes as a whole. Nothing is ever made smaller, and
// no entry of the table is written but the brick's.
//
// In a container there is no card: whoever started it gives the mount.
type Card struct{}

// Name implements Step.
func (Card) Name() string { return "card" }

// Look implements Step.
func (Card) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := cardDifferences(ctx, h, *f.Brick)
	return stateOf(list), err
}

// Act implements Step.
func (Card) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return cardDifferences(ctx, h, *f.Brick) })
}

func cardDifferences(ctx context.Context, h *host.Host, b node.Brick) ([]difference, error) {
	if inContainer(h) {
		return mountDifferences(h, b, nil)
	}
	c, err := findCard(ctx, h, b)
	if err != nil {
		return nil, err
	}
	sizes, err := c.partitionDifferences(h)
	if err != nil {
		return nil, err
	}
	mounts, err := mountDifferences(h, b, &c.part)
	if err != nil {
		return nil, err
	}
	list := append(sizes, mounts...)
	return append(list, c.filesystemDifferences(h)...), nil
}

// slack is how many sectors a partition or a filesystem may fall short of what
// it could have: card images are laid out in 8 MiB, and ext4 leaves out a last
// block group that has no room for its own inode table.
const slack = 8 << 20 / host.SectorSize

// partitionDifferences compares the partition in the table on the card with what
// it could be, and with what the kernel takes it for.
func (c card) partitionDifferences(h *host.Host) ([]difference, error) {
	if c.want-c.entry.Size >= slack {
		return []difference{{
			what:  fmt.Sprintf("partition %d of %s has %s of %s", c.part.Number, c.disk.Path, size(c.entry.Size), size(c.want)),
			doing: "growing partition " + c.part.Path,
			mend:  func(ctx context.Context) error { return c.growPartition(ctx, h) },
		}}, nil
	}
	if c.part.Sectors > c.entry.Size {
		return nil, fmt.Errorf("the kernel takes %s for %s, but it has %s in the partition table; type: reboot",
			c.part.Path, size(c.part.Sectors), size(c.entry.Size))
	}
	if c.part.Sectors < c.entry.Size {
		return []difference{{
			what:  fmt.Sprintf("the kernel takes %s for %s of its %s", c.part.Path, size(c.part.Sectors), size(c.entry.Size)),
			doing: "telling the kernel of the new size of " + c.part.Path,
			mend:  func(ctx context.Context) error { return c.tellKernel(ctx, h) },
		}}, nil
	}
	return nil, nil
}

// growPartition writes the one entry into the table on the card, and nothing
// else: what lies in the partition keeps its signatures, and the kernel is not
// asked to read a table again whose other partitions are in use.
func (c card) growPartition(ctx context.Context, h *host.Host) error {
	cmd := host.Command("sfdisk", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never",
		"-N", fmt.Sprint(c.part.Number), c.disk.Path)
	cmd.Stdin = strings.NewReader(fmt.Sprintf("start=%d, size=%d\n", c.entry.Start, c.want))
	if _, err := h.Runner.Run(ctx, cmd); err != nil {
		return fmt.Errorf("cannot grow partition %d of %s: %w", c.part.Number, c.disk.Path, err)
	}
	return nil
}

func (c card) tellKernel(ctx context.Context, h *host.Host) error {
	_, err := h.Runner.Run(ctx, host.Command("partx", "--update", "--nr", fmt.Sprint(c.part.Number), c.disk.Path))
	if err != nil {
		return fmt.Errorf("cannot tell the kernel of the new size of %s: %w", c.part.Path, err)
	}
	return nil
}

// filesystemDifferences compares the filesystem with the partition as the kernel
// knows it.
func (c card) filesystemDifferences(h *host.Host) []difference {
	has := c.fs.Size / host.SectorSize
	if c.part.Sectors-has < slack {
		return nil
	}
	return []difference{{
		what:  fmt.Sprintf("the filesystem on %s takes up %s of %s", c.part.Path, size(has), size(c.part.Sectors)),
		doing: "growing the filesystem on " + c.part.Path,
		mend: func(ctx context.Context) error {
			if _, err := h.Runner.Run(ctx, host.Command("resize2fs", c.part.Path)); err != nil {
				return fmt.Errorf("cannot grow the filesystem on %s: %w", c.part.Path, err)
			}
			return nil
		},
	}}
}

// mountDifferences compares what is mounted for the brick with what should be:
// the partition part, or anything at all when that is nil.
func mountDifferences(h *host.Host, b node.Brick, part *host.Partition) ([]difference, error) {
	m, mounted, err := h.MountAt(b.Mount)
	switch {
	case err != nil:
		return nil, err
	case !mounted:
		return []difference{{
			what:  "nothing is mounted at " + b.Mount,
			doing: "mounting " + b.Mount,
			mend:  func(ctx context.Context) error { return h.Units.Start(ctx, unit.UnitNamePathEscape(b.Mount)+".mount") },
		}}, nil
	case part != nil && m.Device != part.Device:
		return nil, fmt.Errorf("%s is mounted from %s (%s), not from %s (%s); take any other card out of the machine and type: reboot",
			b.Mount, m.Source, m.Device, part.Path, part.Device)
	case m.ReadOnly:
		return []difference{{what: fmt.Sprintf("%s takes no writes; type: journalctl -k -g %s", b.Mount, m.Source)}}, nil
	}
	return directoryDifferences(h, b), nil
}

// directoryDifferences looks for the brick directory, once it is certain that it
// would not be made on the root filesystem. Whose it is later, and its mode, is
// glusterd's business.
func directoryDifferences(h *host.Host, b node.Brick) []difference {
	if info, err := h.Files.Stat(b.Dir); err == nil && info.IsDir() {
		return nil
	}
	return []difference{{
		what:  "there is no directory " + b.Dir,
		doing: "making " + b.Dir,
		mend:  func(context.Context) error { return h.Files.Mkdir(b.Dir, 0o755) },
	}}
}

// size is a number of sectors as a person reads it.
func size(sectors int64) string {
	return fmt.Sprintf("%d MiB", sectors*host.SectorSize>>20)
}
