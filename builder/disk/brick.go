package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Brick is the filesystem that a storage node keeps its part of the files in.
type Brick struct {
	Label string    // at most 16 bytes; the node finds the partition by it
	UUID  string    // of the filesystem
	Seed  string    // a UUID too: what the directories' hashes begin with
	Dir   string    // name of the one folder in it, 0755, owned by root
	Time  time.Time // when it was made, as far as it knows
}

const (
	// MinBrick is the smallest brick. The journal takes 64 MiB and the rest of
	// the bookkeeping 10; what is left keeps a node serving a small site even
	// when its card cannot be grown. Less than a quarter of a GiB would give a
	// filesystem that e2fsprogs thinks of as a floppy (a journal that is too
	// small for what it grows to).
	MinBrick = 256 << 20
	// maxBrick is how far the kernel can grow a mounted brick: as far as an
	// MBR partition reaches. The group descriptors for that are reserved at the
	// start, 1 MiB in every copy of them.
	maxBrick = 2 << 40
	// A journal never grows with its filesystem. 64 MiB is what mke2fs itself
	// gives to filesystems of 2 to 16 GiB, and enough for an SD card of any size.
	brickJournalMiB = 64
	brickBlock      = 4096
)

// brickFeatures is every feature of a brick, so that the mke2fs.conf of the
// machine that builds does not matter. The stable kernels of bookworm and
// trixie, and Gluster on both, know all of them.
const brickFeatures = "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit," +
	"flex_bg,sparse_super,large_file,huge_file,dir_nlink,extra_isize,metadata_csum"

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// MakeBrick makes the filesystem of partition p, which overwrites what was
// there. Inodes have 512 bytes, so that Gluster's extended attributes fit in.
func (t *Tools) MakeBrick(ctx context.Context, image string, p Partition, b Brick) error {
	if err := t.makeBrick(ctx, image, p, b); err != nil {
		return fmt.Errorf("cannot make the brick in partition %d of %s: %w", p.Number, image, err)
	}
	return nil
}

func (t *Tools) makeBrick(ctx context.Context, image string, p Partition, b Brick) error {
	info, err := os.Stat(image)
	if err != nil {
		return err
	}
	switch {
	case p.Size < MinBrick:
		return fmt.Errorf("it has %d MiB and needs %d at least", p.Size>>20, MinBrick>>20)
	case p.End() > info.Size():
		return errors.New("the image ends before the partition does")
	case b.Label == "" || len(b.Label) > 16:
		return fmt.Errorf("the label %q does not have 1 to 16 bytes", b.Label)
	case !uuidForm.MatchString(b.UUID) || !uuidForm.MatchString(b.Seed):
		return fmt.Errorf("%q and %q are not both UUIDs", b.UUID, b.Seed)
	case b.Time.IsZero():
		return errors.New("it is to have no time")
	case b.Dir == "" || strings.Contains(b.Dir, "/"):
		return fmt.Errorf("%q is not the name of a folder", b.Dir)
	}
	cmd := clocked(b.Time, t.mke2fs, brickOptions(p, b)...)
	cmd.Args = append(cmd.Args, image, strconv.FormatInt(p.Size/brickBlock, 10))
	cmd.Env = append(cmd.Env, "MKE2FS_CONFIG=/dev/null")
	if _, err := t.run.Run(ctx, cmd); err != nil {
		return err
	}
	fs, err := t.OpenExt4(image, p, b.Time)
	if err != nil {
		return err
	}
	return fs.Write(ctx, []Entry{{Path: "/" + b.Dir, Kind: Dir, Mode: 0o755}})
}

// brickOptions is how mke2fs is to make it. Everything is written out now:
// nothing is left for the node's kernel to initialise later in the background.
func brickOptions(p Partition, b Brick) []string {
	extended := []string{
		"offset=" + strconv.FormatInt(p.Start, 10),
		"hash_seed=" + b.Seed,
		"resize=" + strconv.FormatInt(maxBrick/brickBlock, 10),
		"root_owner=0:0", "nodiscard", "lazy_itable_init=0", "lazy_journal_init=0",
	}
	return []string{
		"-q", "-F", "-b", strconv.Itoa(brickBlock), "-I", "512", "-i", "16384", "-m", "0", "-G", "16",
		"-O", brickFeatures, "-J", "size=" + strconv.Itoa(brickJournalMiB), "-e", "remount-ro",
		"-L", b.Label, "-U", b.UUID, "-E", strings.Join(extended, ","),
	}
}
