package host

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockPath is in /run: a lock must not outlive the boot.
const lockPath = "/run/berry-firstboot.lock"

// Lock keeps a second berry-firstboot, such as one that a person started by
// hand, from working on the same machine. It holds until unlock is called or
// the process ends.
func (h *Host) Lock() (unlock func(), err error) {
	file, err := h.Files.openFile(lockPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return func() { file.Close() }, nil
	}
	file.Close()
	if errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.New("another berry-firstboot is at work on this machine; type: journalctl -fu berry-firstboot")
	}
	return nil, fmt.Errorf("cannot lock %s: %w", lockPath, err)
}
