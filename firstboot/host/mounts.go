package host

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Mount is one line of /proc/self/mountinfo (proc(5)).
type Mount struct {
	Device   string // "major:minor" of the filesystem; major 0 for one without a device
	Point    string // where it is mounted
	Type     string // filesystem type, such as ext4
	Source   string // what the mounter named, such as /dev/root
	ReadOnly bool   // the mount or the filesystem takes no writes
}

const mountinfo = "/proc/self/mountinfo"

// Mounts returns everything that is mounted, as this process sees it; the newest
// comes last.
func (h *Host) Mounts() ([]Mount, error) {
	text, err := h.Files.Read(mountinfo)
	if err != nil {
		return nil, err
	}
	mounts, err := parseMounts(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mountinfo, err)
	}
	return mounts, nil
}

// MountAt returns what is mounted at a directory; found is false when nothing
// is. Of several mounts upon each other it is the one on top.
func (h *Host) MountAt(point string) (m Mount, found bool, err error) {
	mounts, err := h.Mounts()
	if err != nil {
		return Mount{}, false, err
	}
	for _, m := range slices.Backward(mounts) {
		if m.Point == point {
			return m, true, nil
		}
	}
	return Mount{}, false, nil
}

// parseMounts reads lines of the form
//
//	36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
//
// with any number of optional fields before the hyphen.
func parseMounts(text string) ([]Mount, error) {
	var mounts []Mount
	for line := range strings.Lines(text) {
		before, after, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " - ")
		id, fs := strings.Fields(before), strings.Fields(after)
		if len(id) < 6 || len(fs) < 3 {
			return nil, fmt.Errorf("line %q is not a mount", line)
		}
		mounts = append(mounts, Mount{
			Device:   id[2],
			Point:    unescape(id[4]),
			Type:     fs[0],
			Source:   unescape(fs[1]),
			ReadOnly: hasOption(id[5], "ro") || hasOption(fs[2], "ro"),
		})
	}
	return mounts, nil
}

func hasOption(options, want string) bool {
	return slices.Contains(strings.Split(options, ","), want)
}

// unescape undoes the kernel's octal escapes for space, tab, newline and
// backslash.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
