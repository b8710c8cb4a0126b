package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"berries/builder/disk"
	"berries/firstboot/host"
)

// The files of a node, in its folder: upper and work are what it has changed on its
// root partition, brick.img is its brick. They are its card. The other folders are
// where they are mounted, for the node alone.
const (
	upperDir  = "upper"
	workDir   = "work"
	lowerDir  = "lower"
	rootDir   = "root"
	brickDir  = "brick"
	brickFile = "brick.img"
)

// brickSize is what a brick has on the lab's cards, bytes. The file has holes.
const brickSize = 2 << 30

// flash makes a node's card, where it has none yet. The folder upper comes last: with
// it, the card is whole.
func (l *Lab) flash(ctx context.Context, n record) error {
	if _, err := os.Stat(l.path(nodesDir, n.Name, upperDir)); err == nil {
		return nil
	}
	if err := l.scrap(n.Name); err != nil {
		return err
	}
	for _, dir := range []string{workDir, lowerDir, rootDir, brickDir, upperDir + ".new"} {
		if err := os.Mkdir(l.path(nodesDir, n.Name, dir), 0o755); err != nil {
			return err
		}
	}
	if n.Mount != "" {
		if err := l.makeBrick(ctx, n); err != nil {
			return err
		}
	}
	made := l.path(nodesDir, n.Name, upperDir+".new")
	if err := errors.Join(mask(made), l.trust(made)); err != nil {
		return err
	}
	return os.Rename(made, l.path(nodesDir, n.Name, upperDir))
}

// cardFiles are all that a card can consist of. The last one of a whole card is upper.
var cardFiles = []string{upperDir + ".new", workDir, lowerDir, rootDir, brickDir, brickFile, upperDir}

// scrap throws a node's card away.
func (l *Lab) scrap(name string) error {
	var err error
	for _, file := range cardFiles {
		err = errors.Join(err, os.RemoveAll(l.path(nodesDir, name, file)))
	}
	return err
}

// makeBrick copies the image's third partition and grows it, as the node would on a
// card: in a container it takes the brick as it is.
func (l *Lab) makeBrick(ctx context.Context, n record) error {
	p, err := partition(n.Image, 3)
	if err != nil {
		return err
	}
	file := l.path(nodesDir, n.Name, brickFile)
	if err := disk.Extract(ctx, file, n.Image, p); err != nil {
		return err
	}
	if err := os.Truncate(file, max(brickSize, p.Size)); err != nil {
		return err
	}
	if err := l.command(ctx, "e2fsck", "-f", "-p", file); err != nil {
		return err
	}
	return l.command(ctx, "resize2fs", file)
}

// insert mounts a node's card. It is called in the mount namespace that the node's
// processes will be in, and no others.
//
// Directories of the image can be renamed, and files of it with several names stay
// one file, as without an overlay.
func (l *Lab) insert(ctx context.Context, n record) error {
	root, err := partition(n.Image, 2)
	if err != nil {
		return err
	}
	mounts := [][]string{
		{"-o", fmt.Sprintf("ro,noload,loop,offset=%d,sizelimit=%d", root.Start, root.Size), n.Image, lowerDir},
		{"-t", "overlay", "-o", "lowerdir=" + lowerDir + ",upperdir=" + upperDir + ",workdir=" + workDir +
			",redirect_dir=on,index=on", "overlay", rootDir},
		// systemd-nspawn leaves marks there.
		{"-t", "tmpfs", "tmpfs", "/run/systemd"},
	}
	if n.Mount != "" {
		mounts = append(mounts, []string{"-o", "loop", brickFile, brickDir})
	}
	for _, args := range mounts {
		cmd := host.Command("mount", args...)
		cmd.Dir = l.path(nodesDir, n.Name)
		if _, err := l.run.Run(ctx, cmd); err != nil {
			return fmt.Errorf("cannot mount the card of %s, which is no good any more once its image was built anew (type: lab wipe %s): %w", n.Name, n.Name, err)
		}
	}
	return nil
}

// released waits until the kernel has let go of a node's brick: mounted twice, it
// would be damaged.
func (l *Lab) released(ctx context.Context, name string) error {
	file := l.path(nodesDir, name, brickFile)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	err := until(ctx, func() (bool, error) {
		res, err := l.run.Run(ctx, host.Command("losetup", "--associated", file))
		return len(res.Stdout) == 0, err
	})
	if err != nil {
		return fmt.Errorf("%s is still in use: %w", file, err)
	}
	return nil
}
