package host

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SectorSize is the unit in which sysfs and partition tables count, in bytes,
// whatever the device's own sectors are.
const SectorSize = 512

// Disk is a whole block device and its partitions, as the kernel knows them.
type Disk struct {
	Path       string // device node, such as /dev/mmcblk0
	Sectors    int64
	Partitions []Partition // in the order in which they lie on the disk
}

// Partition is one partition of a Disk, as the kernel knows it, which may not
// yet be what the partition table says.
type Partition struct {
	Path    string // device node, such as /dev/mmcblk0p3
	Device  string // "major:minor"
	Number  int
	Start   int64 // first sector
	Sectors int64
}

// DiskOf returns the disk that a device, given as "major:minor", is or is a
// partition of. It is read from sysfs, so that it does not matter what the
// kernel's command line calls the root filesystem.
func (h *Host) DiskOf(device string) (Disk, error) {
	dir := "/sys/dev/block/" + device
	if h.Files.Exists(dir + "/partition") {
		dir += "/.." // a partition's directory lies in its disk's
	}
	path, err := h.devicePath(dir)
	if err != nil {
		return Disk{}, err
	}
	d := Disk{Path: path}
	if d.Sectors, err = h.sysNumber(dir + "/size"); err != nil {
		return Disk{}, err
	}
	names, err := h.Files.List(dir)
	if err != nil {
		return Disk{}, err
	}
	for _, name := range names {
		sub := dir + "/" + name
		if !h.Files.Exists(sub + "/partition") {
			continue
		}
		p, err := h.partition(sub)
		if err != nil {
			return Disk{}, err
		}
		d.Partitions = append(d.Partitions, p)
	}
	slices.SortFunc(d.Partitions, func(a, b Partition) int { return cmp.Compare(a.Start, b.Start) })
	return d, nil
}

// partition reads the sysfs directory of one partition.
func (h *Host) partition(dir string) (p Partition, err error) {
	if p.Path, err = h.devicePath(dir); err != nil {
		return p, err
	}
	device, err := h.Files.Read(dir + "/dev")
	if err != nil {
		return p, err
	}
	p.Device = strings.TrimSpace(string(device))
	number, err := h.sysNumber(dir + "/partition")
	if err != nil {
		return p, err
	}
	p.Number = int(number)
	if p.Start, err = h.sysNumber(dir + "/start"); err != nil {
		return p, err
	}
	p.Sectors, err = h.sysNumber(dir + "/size")
	return p, err
}

// devicePath is the device node that a sysfs directory stands for: the
// directory's own name is not always the node's.
func (h *Host) devicePath(dir string) (string, error) {
	text, err := h.Files.Read(dir + "/uevent")
	if err != nil {
		return "", err
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if name, ok := strings.CutPrefix(lines.Text(), "DEVNAME="); ok {
			return "/dev/" + name, nil
		}
	}
	return "", fmt.Errorf("%s/uevent names no device", dir)
}

// sysNumber reads a file that holds one decimal number.
func (h *Host) sysNumber(name string) (int64, error) {
	text, err := h.Files.Read(name)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}
