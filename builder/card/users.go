package card

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// users is who uses which device of a Machine.
type users struct {
	machine Machine
	mounts  map[string][]string // mount points, by the device's number
	swap    map[string]bool
}

func (m Machine) users() (users, error) {
	u := users{m, map[string][]string{}, map[string]bool{}}
	h := host.Host{Files: m.Files}
	mounts, err := h.Mounts()
	if err != nil {
		return u, err
	}
	for _, mount := range mounts {
		number := mount.Device
		if strings.HasPrefix(number, "0:") { // btrfs has a number of its own
			number = m.numberOf(mount.Source)
		}
		if number != "" && !slices.Contains(u.mounts[number], mount.Point) {
			u.mounts[number] = append(u.mounts[number], mount.Point)
		}
	}
	swaps, err := m.Files.Read("/proc/swaps")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return u, err
	}
	for line := range strings.Lines(string(swaps)) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == "partition" {
			u.swap[m.numberOf(f[0])] = true
		}
	}
	return u, nil
}

// numberOf is the number of a device by its name in /dev, or "".
func (m Machine) numberOf(device string) string {
	if !strings.HasPrefix(device, "/dev/") {
		return ""
	}
	if target, err := m.Files.Target(device); err == nil && target != "" { // /dev/mapper/root
		device = path.Join(path.Dir(device), target)
	}
	name := strings.ReplaceAll(strings.TrimPrefix(device, "/dev/"), "/", "!")
	number, _ := m.text("/sys/class/block/" + name + "/dev")
	return number
}

// addTo notes who uses a disk or one of its partitions, also through what the kernel
// has built upon it.
func (u users) addTo(d *Device, number string) error {
	for _, point := range u.mounts[number] {
		if isSystem(point) {
			d.System = append(d.System, point)
		} else {
			d.Mounted = append(d.Mounted, point)
		}
	}
	if u.swap[number] {
		d.System = append(d.System, "swap")
	}
	dir := "/sys/dev/block/" + number + "/holders"
	names, err := u.machine.Files.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		held, err := u.machine.text("/sys/class/block/" + name + "/dm/name")
		if err != nil {
			held = name
		}
		d.Held = append(d.Held, held)
		above, err := u.machine.text("/sys/class/block/" + name + "/dev")
		if err != nil {
			return err
		}
		if err := u.addTo(d, above); err != nil {
			return err
		}
	}
	return nil
}

// isSystem says whether this machine needs what is mounted there.
func isSystem(point string) bool {
	top, _, _ := strings.Cut(strings.TrimPrefix(point, "/"), "/")
	return slices.Contains([]string{"", "boot", "efi", "usr", "var", "home", "etc", "opt", "nix"}, top)
}
