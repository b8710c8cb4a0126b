package card

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// Machine is the computer that the cards are in, as its /sys and /proc show it.
type Machine struct{ Files *host.Files }

// Devices returns the disks that something can be written on, by name. Readers
// without a card, optical drives and floppy disks are none.
func (m Machine) Devices() ([]Device, error) {
	names, err := m.Files.List("/sys/block")
	if err != nil {
		return nil, err
	}
	var list []Device
	for _, name := range names {
		number, err := m.text("/sys/block/" + name + "/dev")
		if major, _, _ := strings.Cut(number, ":"); major == "2" || major == "11" || m.flag("/sys/block/"+name+"/hidden") {
			continue
		}
		var d Device
		if err == nil {
			d, err = m.device(number)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // taken out a moment ago
		case err != nil:
			return nil, err
		case d.Size > 0:
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(a, b Device) int { return cmp.Compare(a.Path, b.Path) })
	return list, nil
}

// device describes the disk that has a number, or has a partition that does, and who
// uses it.
func (m Machine) device(number string) (Device, error) {
	d, err := m.describe(number)
	if err != nil {
		return d, fmt.Errorf("cannot tell what device %s is: %w", number, err)
	}
	return d, nil
}

func (m Machine) describe(number string) (Device, error) {
	h := host.Host{Files: m.Files}
	k, err := h.DiskOf(number)
	if err != nil {
		return Device{}, err
	}
	sys, err := m.sysDir(number)
	if err != nil {
		return Device{}, err
	}
	if m.Files.Exists(sys + "/partition") {
		sys = path.Dir(sys)
		if number, err = m.text(sys + "/dev"); err != nil {
			return Device{}, err
		}
	}
	d := Device{Path: k.Path, Number: number, Size: k.Sectors * host.SectorSize, ReadOnly: m.flag(sys + "/ro")}
	d.Model, d.Serial = m.model(sys), m.serial(sys)
	d.Removable = m.removable(sys)
	sector, err := m.text(sys + "/queue/logical_block_size")
	if err != nil {
		return Device{}, err
	}
	if _, err := fmt.Sscan(sector, &d.Sector); err != nil {
		return Device{}, err
	}
	parts := []string{number}
	for _, p := range k.Partitions {
		d.Partitions = append(d.Partitions, Partition{Number: p.Number, Start: p.Start * host.SectorSize, Size: p.Sectors * host.SectorSize})
		parts = append(parts, p.Device)
	}
	u, err := m.users()
	if err != nil {
		return Device{}, err
	}
	for _, part := range parts {
		if err := u.addTo(&d, part); err != nil {
			return Device{}, err
		}
	}
	return d, nil
}

// sysDir is the directory of a device in /sys/devices, which says on which bus it is.
func (m Machine) sysDir(number string) (string, error) {
	target, err := m.Files.Target("/sys/dev/block/" + number)
	if err == nil && target == "" {
		err = fmt.Errorf("/sys/dev/block/%s is no link", number)
	}
	return path.Join("/sys/dev/block", target), err
}

// removable says whether the card, or the disk as a whole, is made to be taken out.
// The kernel's own flag says only whether a medium can be taken out of its drive: a
// built-in slot for SD cards and a USB disk are not removable by it.
func (m Machine) removable(sys string) bool {
	kind, _ := m.text(sys + "/device/type") // of an MMC device: SD, or MMC when it is soldered in
	return m.flag(sys+"/removable") || kind == "SD" || strings.Contains(sys, "/usb")
}

// model is what the maker calls it; for a loop device it is the file.
func (m Machine) model(sys string) string {
	if file, err := m.text(sys + "/loop/backing_file"); err == nil {
		return "file " + file
	}
	vendor, _ := m.text(sys + "/device/vendor")
	if strings.HasPrefix(vendor, "0x") {
		vendor = "" // a number, not a name
	}
	model, err := m.text(sys + "/device/model")
	if err != nil {
		model, _ = m.text(sys + "/device/name") // MMC
	}
	return strings.Join(strings.Fields(vendor+" "+model), " ")
}

// serial is the number that is also printed on many disks. Behind USB it is that of
// the reader, further up.
func (m Machine) serial(sys string) string {
	for _, name := range []string{"/device/serial", "/serial"} {
		if s, err := m.text(sys + name); err == nil && s != "" {
			return s
		}
	}
	for dir := sys; strings.Contains(dir, "/usb"); dir = path.Dir(dir) {
		if m.Files.Exists(dir + "/idVendor") {
			s, _ := m.text(dir + "/serial")
			return s
		}
	}
	return ""
}

// text is the content of a file of one line.
func (m Machine) text(name string) (string, error) {
	data, err := m.Files.Read(name)
	return strings.TrimSpace(string(data)), err
}

// flag says whether a file holds a 1.
func (m Machine) flag(name string) bool {
	s, err := m.text(name)
	return err == nil && s == "1"
}
