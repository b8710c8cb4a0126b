package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"berries/builder/progress"
)

// copyChunk is how much is copied, compared or hashed at once: enough to be
// fast, little enough to be interrupted soon.
const copyChunk = 1 << 20

// Copy makes dst a copy of src. Where the filesystem can share blocks between
// files it takes no time and no room; else holes stay holes. Dst must not exist
// yet, is readable by its owner only (images hold secrets), and is gone again
// after an error. The task counts bytes, up to the size of src.
func Copy(ctx context.Context, dst, src string, task progress.Task) error {
	if err := copyFile(ctx, dst, src, task); err != nil {
		return fmt.Errorf("cannot copy %s to %s: %w", src, dst, err)
	}
	return nil
}

func copyFile(ctx context.Context, dst, src string, task progress.Task) (err error) {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if clone(dst, src) == nil {
		task.Add(info.Size())
		return nil
	}
	to, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(copySparse(ctx, to, from, info.Size(), task), to.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(dst))
	}
	return err
}

// copySparse copies the data of src and leaves holes where it has holes.
func copySparse(ctx context.Context, dst, src *os.File, size int64, task progress.Task) error {
	if err := dst.Truncate(size); err != nil {
		return err
	}
	data, err := dataRanges(src, size)
	if err != nil {
		return err
	}
	var done int64
	for _, r := range data {
		if err := copyRange(ctx, dst, r.Start, src, r); err != nil {
			return err
		}
		task.Add(r.End - done)
		done = r.End
	}
	task.Add(size - done)
	return nil
}

// copyRange copies range r of src to offset at of dst.
func copyRange(ctx context.Context, dst *os.File, at int64, src *os.File, r Range) error {
	for r.Len() > 0 {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		part := Range{r.Start, min(r.Start+16*copyChunk, r.End)}
		n, err := copyInKernel(dst, at, src, part)
		if err != nil || n == 0 {
			n, err = copyByHand(dst, at, src, part)
		}
		if err != nil {
			return err
		}
		if n == 0 {
			return io.ErrUnexpectedEOF
		}
		r.Start, at = r.Start+n, at+n
	}
	return nil
}

// copyByHand copies range r with read and write.
func copyByHand(dst *os.File, at int64, src *os.File, r Range) (int64, error) {
	buffer := make([]byte, min(copyChunk, r.Len()))
	return io.CopyBuffer(io.NewOffsetWriter(dst, at), io.NewSectionReader(src, r.Start, r.Len()), buffer)
}

// dataRanges returns where the first size bytes of f hold data; between them
// are holes.
func dataRanges(f *os.File, size int64) ([]Range, error) {
	var out []Range
	for at := int64(0); at < size; {
		data, err := unix.Seek(int(f.Fd()), at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) { // only a hole is left
			break
		}
		if errors.Is(err, unix.EINVAL) { // a filesystem that does not tell
			return []Range{{0, size}}, nil
		}
		if err != nil {
			return nil, &os.PathError{Op: "find data in", Path: f.Name(), Err: err}
		}
		hole, err := unix.Seek(int(f.Fd()), data, unix.SEEK_HOLE)
		if err != nil {
			return nil, &os.PathError{Op: "find holes in", Path: f.Name(), Err: err}
		}
		out = append(out, Range{data, min(hole, size)})
		at = hole
	}
	return out, nil
}

// IsHole tells whether all of a part of f is a hole. Where the filesystem does not tell,
// none is.
func IsHole(f *os.File, r Range) bool {
	data, err := unix.Seek(int(f.Fd()), r.Start, unix.SEEK_DATA)
	return errors.Is(err, unix.ENXIO) || err == nil && data >= r.End
}

// AllocatedBytes is the room that a file takes on its filesystem, which for a
// sparse file is less than its size.
func AllocatedBytes(path string) (int64, error) {
	const unit = 512 // whatever the filesystem's block size is
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return 0, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return st.Blocks * unit, nil
}

// FreeBytes is the room that this user has left in the filesystem of folder dir.
func FreeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

// Extract copies partition p of an image into a new file dst, for programs that
// take a filesystem only as a file of its own. Holes stay holes.
func Extract(ctx context.Context, dst, image string, p Partition) error {
	if err := extract(ctx, dst, image, p); err != nil {
		return fmt.Errorf("cannot copy partition %d of %s to %s: %w", p.Number, image, dst, err)
	}
	return nil
}

func extract(ctx context.Context, dst, image string, p Partition) (err error) {
	from, err := os.Open(image)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	if err := to.Truncate(p.Size); err != nil {
		return err
	}
	data, err := dataRanges(from, p.End())
	if err != nil {
		return err
	}
	for _, r := range overlap(data, []Range{{p.Start, p.End()}}) {
		if err := copyRange(ctx, to, r.Start-p.Start, from, r); err != nil {
			return err
		}
	}
	return nil
}
