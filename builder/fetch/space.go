package fetch

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"berries/builder/disk"
	"berries/builder/progress"
)

// room refuses to begin what needs more bytes than are free where the cache
// lies. It promises nothing: others write to the same disk.
func (c *Client) room(need int64) error {
	free, err := disk.FreeBytes(c.Cache)
	if err != nil {
		return err
	}
	if need <= free {
		return nil
	}
	return fmt.Errorf("it needs %s and the disk of %s has %s free; make room there, or take another folder with --cache",
		progress.Bytes(need), c.Cache, progress.Bytes(free))
}

// roomError explains a write that failed because nothing more fits. Any other
// error is returned as it is.
func (c *Client) roomError(err error) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) || errors.Is(err, unix.EFBIG) {
		return fmt.Errorf("the disk of %s is full; make room there, or take another folder with --cache: %w", c.Cache, err)
	}
	return err
}
