package disk

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// clone makes dst a new file that shares all blocks of src (btrfs, XFS,
// bcachefs); elsewhere it is an error, and dst is not there.
func clone(dst, src string) error {
	from, err := os.Open(src)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(unix.IoctlFileClone(int(to.Fd()), int(from.Fd())), to.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(dst))
	}
	return err
}

// copyInKernel copies some of range r without taking it through this program,
// and shares the blocks where the filesystem can.
func copyInKernel(dst *os.File, at int64, src *os.File, r Range) (int64, error) {
	from, to := r.Start, at
	n, err := unix.CopyFileRange(int(src.Fd()), &from, int(dst.Fd()), &to, int(r.Len()), 0)
	return int64(max(n, 0)), err
}
