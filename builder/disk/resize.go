package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"berries/firstboot/host"
)

// Resize grows the filesystem to size bytes, which must be within its
// partition. Files stay as they are; the result of the same filesystem, size
// and time is the same bytes.
//
// It is done on a sparse copy beside the image, and the changes are copied
// back. resize2fs could work on the image itself through ?offset=, and then
// cuts the image to the filesystem's new size, counted from the start of the
// file: the end of the partition and all that follows it are lost (resize2fs
// 1.47.0 and 1.47.2, the ftruncate at the end of main).
func (e *Ext4) Resize(ctx context.Context, size int64) error {
	if err := e.resize(ctx, size); err != nil {
		return fmt.Errorf("cannot grow the filesystem of partition %d of %s to %d MiB: %w", e.part.Number, e.image, size>>20, err)
	}
	return nil
}

func (e *Ext4) resize(ctx context.Context, size int64) (err error) {
	switch now := e.super.Size(); {
	case e.time.IsZero():
		return errors.New("it was opened without a time, for reading only")
	case size%e.super.BlockSize != 0:
		return fmt.Errorf("that is no multiple of its block size, %d", e.super.BlockSize)
	case size > e.part.Size:
		return fmt.Errorf("its partition has only %d MiB", e.part.Size>>20)
	case size < now:
		return fmt.Errorf("it has %d MiB already", now>>20)
	case size == now:
		return nil
	}
	// resize2fs wants a full check after the last mount. That one would change
	// the image; this one does not, and -f says that it was made.
	if err := e.Check(ctx); err != nil {
		return err
	}
	image, err := os.OpenFile(e.image, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer image.Close()
	work, err := os.CreateTemp(filepath.Dir(e.image), ".berry-resize-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, work.Close(), os.Remove(work.Name())) }()
	if err := e.takeOut(ctx, work, image, size); err != nil {
		return err
	}
	blocks := strconv.FormatInt(size/e.super.BlockSize, 10)
	if _, err := e.tools.run.Run(ctx, e.command(e.tools.resize2fs, "-f", work.Name(), blocks)); err != nil {
		return err
	}
	if err := e.mendOrphanFile(ctx, work.Name()); err != nil {
		return err
	}
	if err := e.putBack(ctx, image, work); err != nil {
		return err
	}
	return e.reload()
}

// mendOrphanFile has e2fsck mend what resize2fs 1.47.0 leaves where it had to
// move the orphan file: checksums that still hold the old place of its blocks,
// with which Linux does not mount the filesystem (LibreELEC.tv issue 8099).
func (e *Ext4) mendOrphanFile(ctx context.Context, file string) error {
	if !e.super.Has("orphan_file") || checkDevice(ctx, e.tools, file) == nil {
		return nil
	}
	cmd := e.command(e.tools.e2fsck, "-fp", file)
	cmd.Env = append(cmd.Env, "E2FSCK_TIME="+strconv.FormatInt(e.time.Unix(), 10))
	if _, err := e.tools.run.Run(ctx, cmd); err != nil && host.ExitCode(err) != 1 { // 1: it has mended something
		return err
	}
	return checkDevice(ctx, e.tools, file)
}

// takeOut copies the blocks in use to the start of file work, which gets the
// new size.
func (e *Ext4) takeOut(ctx context.Context, work, image *os.File, size int64) error {
	ranges, err := e.super.used(image, e.part.Start)
	if err != nil {
		return err
	}
	if err := work.Truncate(size); err != nil {
		return err
	}
	for _, r := range ranges {
		if err := copyRange(ctx, work, r.Start-e.part.Start, image, r); err != nil {
			return err
		}
	}
	return nil
}

// putBack writes what differs in the blocks that are in use now.
func (e *Ext4) putBack(ctx context.Context, image, work *os.File) error {
	after, err := readSuperblock(work, 0)
	if err != nil {
		return err
	}
	ranges, err := after.used(work, 0)
	if err != nil {
		return err
	}
	for _, r := range ranges {
		for at := r.Start; at < r.End; at += copyChunk {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := writeChanges(image, e.part.Start, work, Range{at, min(at+copyChunk, r.End)}, after.BlockSize); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeChanges copies the blocks of range r in which src and dst differ. The
// range counts from the start of src, and from base in dst.
func writeChanges(dst *os.File, base int64, src *os.File, r Range, block int64) error {
	now, want := make([]byte, r.Len()), make([]byte, r.Len())
	if _, err := src.ReadAt(want, r.Start); err != nil {
		return err
	}
	if _, err := dst.ReadAt(now, base+r.Start); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if bytes.Equal(now, want) {
		return nil
	}
	for at := int64(0); at < r.Len(); at += block {
		end := at + block
		if bytes.Equal(now[at:end], want[at:end]) {
			continue
		}
		if _, err := dst.WriteAt(want[at:end], base+r.Start+at); err != nil {
			return err
		}
	}
	return nil
}
