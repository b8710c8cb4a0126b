package stages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"berries/builder/disk"
)

// grow replaces the base by one whose root partition and filesystem have the
// profile's size. It is made once and kept in the cache: growing is the same for
// every node, and takes longer than all else that is done to an image.
func (b *base) grow(ctx context.Context, o Options, tools *disk.Tools, rootSize int64) error {
	dir := filepath.Join(o.Fetch.Cache, "grown")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make the cache: %w", err)
	}
	name := filepath.Join(dir, fmt.Sprintf("%s-%dMiB-%d.img", b.SHA256[:16], rootSize>>20, o.Epoch.Unix()))
	lock, err := o.Fetch.Lock(ctx, name+".lock", "")
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		err = b.makeGrown(ctx, o, tools, rootSize, name)
		if err != nil {
			return fmt.Errorf("cannot grow the base's root partition to %d MiB: %w", rootSize>>20, err)
		}
	}
	b.Path = name
	return b.measure()
}

// makeGrown makes the file under a temporary name first.
func (b *base) makeGrown(ctx context.Context, o Options, tools *disk.Tools, rootSize int64, name string) (err error) {
	temp := name + partialSuffix
	if err := os.RemoveAll(temp); err != nil { // of a build that was killed
		return err
	}
	task := o.Progress.Start("grow the base's root to "+fmt.Sprint(rootSize>>20)+" MiB", b.size)
	defer task.Done()
	defer func() { err = errors.Join(err, os.RemoveAll(temp)) }()
	if err := disk.Copy(ctx, temp, b.Path, task); err != nil {
		return err
	}
	table := b.table
	table.Partitions = []disk.Partition{table.Partitions[0], table.Partitions[1]}
	root := &table.Partitions[1]
	root.Size = rootSize
	if err := os.Truncate(temp, root.End()); err != nil {
		return err
	}
	if err := disk.WriteTable(temp, table); err != nil {
		return err
	}
	fs, err := tools.OpenExt4(temp, *root, o.Epoch)
	if err != nil {
		return err
	}
	if err := fs.Resize(ctx, rootSize); err != nil {
		return err
	}
	return replace(temp, name)
}
