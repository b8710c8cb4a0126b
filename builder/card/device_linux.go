package card

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// ThisMachine is the computer that berry runs on.
func ThisMachine() (Machine, error) {
	files, err := host.OpenFiles("/")
	return Machine{files}, err
}

// Open takes a device for us alone: while it is open, nothing of it can be mounted,
// and udev leaves it alone. The error is fs.ErrPermission for who is not root.
func Open(d Device) (*Card, error) {
	dev, err := openDevice(d)
	if err != nil {
		return nil, err
	}
	return &Card{d, dev}, nil
}

// device is a block device. Its bytes go past the kernel's cache, where that is
// possible: progress is then that of the card and not of the cache, what is read back
// comes from the card, and the cache keeps what it had.
type device struct{ *os.File }

func openDevice(d Device) (*device, error) {
	f, err := os.OpenFile(d.Path, os.O_RDWR|unix.O_EXCL|unix.O_DIRECT, 0)
	if errors.Is(err, unix.EINVAL) {
		f, err = os.OpenFile(d.Path, os.O_RDWR|unix.O_EXCL, 0)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, inUse(d.Path)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("you may not write to %s: %w", d.Path, os.ErrPermission)
	case errors.Is(err, unix.EROFS):
		return nil, readOnly(Device{Path: d.Path, ReadOnly: true}, 0, Allow{})
	case errors.Is(err, unix.ENOMEDIUM):
		return nil, empty(Device{Path: d.Path}, 0, Allow{})
	case err != nil:
		return nil, err
	}
	dev := &device{f}
	if err := dev.claim(d); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return dev, nil
}

// claim makes sure that this is the device that was looked at, and takes the lock
// that udev respects (systemd.io, "Locking Block Device Access").
func (d *device) claim(want Device) error {
	info, err := d.Stat()
	if err != nil {
		return err
	}
	size, err := d.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if info.Mode()&os.ModeDevice == 0 || numberOf(info) != want.Number || size != want.Size {
		return changed(want.Path)
	}
	for range 50 { // udev may be looking at it right now
		if err = unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return inUse(want.Path)
}

// Flush implements target.
func (d *device) Flush() error {
	if err := d.Sync(); err != nil {
		return fmt.Errorf("cannot flush: %w", err)
	}
	if err := unix.IoctlSetInt(int(d.Fd()), unix.BLKFLSBUF, 0); err != nil {
		return fmt.Errorf("cannot flush %s: %w", d.Name(), err)
	}
	return nil
}

// Rescan implements target. A device that can have no partitions, as a loop device
// is unless it was told, is none the worse for it.
func (d *device) Rescan() (err error) {
	for range 50 { // somebody may be looking at a partition right now
		err = unix.IoctlSetInt(int(d.Fd()), unix.BLKRRPART, 0)
		if !errors.Is(err, unix.EBUSY) {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("cannot have the partition table of %s read: %w", d.Name(), err)
	}
	return nil
}
