package card

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Find describes the disk that a person has named, by any of its names in /dev.
func (m Machine) Find(name string) (Device, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Device{}, notThere(name)
	case err != nil:
		return Device{}, err
	case info.Mode()&(fs.ModeDevice|fs.ModeCharDevice) != fs.ModeDevice:
		return Device{}, notADevice(name)
	}
	number := numberOf(info)
	d, err := m.device(number)
	if err == nil && d.Number != number {
		err = partitionOf(name, d.Path)
	}
	return d, err
}

// numberOf is the number of a device file.
func numberOf(info fs.FileInfo) string {
	rdev := uint64(info.Sys().(*syscall.Stat_t).Rdev)
	return fmt.Sprintf("%d:%d", unix.Major(rdev), unix.Minor(rdev))
}
