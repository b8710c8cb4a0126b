package stages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"berries/builder/apt"
	"berries/builder/disk"
	"berries/builder/fetch"
	"berries/builder/plan"
	"berries/profiles"
)

// base is the image that all others are made from, and what was read out of it.
type base struct {
	fetch.Base
	size      int64 // bytes
	allocated int64 // of them not holes
	table     disk.Table
	used      int64     // bytes of the root filesystem that are not free
	time      time.Time // of the root filesystem's last change
	arch      string    // Debian architecture
	user      string    // name of the account with plan.UserID, or ""
	firstboot []byte    // berry-firstboot for arch
	files     map[string][]byte
	info      map[string]disk.Info // of every path that was asked for and is there
}

// The base's own files that the rootfs stage edits, by what they need to be.
const (
	osRelease  = "/usr/lib/os-release"
	dpkgStatus = "/var/lib/dpkg/status"
	fstab      = "/etc/fstab"
	hosts      = "/etc/hosts"
	machineID  = "/etc/machine-id"
)

var accountFiles = []string{"/etc/passwd", "/etc/shadow", "/etc/group", "/etc/gshadow", "/etc/subuid", "/etc/subgid"}

// getBase fetches the base of the plan and refuses one that is no untouched
// Raspberry Pi OS image fit for it. Nothing is written but the cache.
// A lock, where there is one, says which bytes they have to be.
func getBase(ctx context.Context, o Options, tools *disk.Tools, p *plan.Plan, lock *apt.Lock) (*base, error) {
	got, err := o.Fetch.Base(ctx, source(p.Base, lock))
	if lock != nil && errors.As(err, new(*fetch.ChecksumError)) {
		return nil, fmt.Errorf("the base is not the one that %s pins; get that one again, or type berry lock: %w", o.Lock, err)
	}
	if err != nil {
		return nil, err
	}
	b := &base{Base: got}
	if err := b.inspect(ctx, tools, p); err != nil {
		return nil, fmt.Errorf("cannot use the base %s: %w", got.Origin, err)
	}
	if b.firstboot, err = o.Firstboot(b.arch); err != nil {
		return nil, err
	}
	return b, nil
}

// source says the profile's base in the words of fetch. A name in the catalogue
// means another image every few weeks; the lock knows which one it was.
func source(b profiles.Base, lock *apt.Lock) fetch.Source {
	s := fetch.Source{Name: b.Name, URL: b.URL, File: b.File, SHA256: b.SHA256}
	if lock == nil {
		return s
	}
	s.ImageSHA256 = lock.Base.SHA256
	if b.Name != "" {
		s.Name, s.URL = "", lock.Base.URL
	}
	return s
}

// inspect reads all that the stages need to know of the base.
func (b *base) inspect(ctx context.Context, tools *disk.Tools, p *plan.Plan) error {
	if err := b.measure(); err != nil {
		return err
	}
	if err := piLayout(b.table, p.RootSize); err != nil {
		return err
	}
	if err := b.untouched(); err != nil {
		return err
	}
	root, err := tools.OpenExt4(b.Path, b.table.Partitions[1], time.Time{})
	if err != nil {
		return err
	}
	super := root.Superblock()
	b.time, b.used = super.Written, (super.Blocks-super.FreeBlocks)*super.BlockSize
	return b.read(ctx, root, p)
}

// measure reads size and table of the file at b.Path.
func (b *base) measure() error {
	info, err := os.Stat(b.Path)
	if err != nil {
		return err
	}
	b.size = info.Size()
	if b.allocated, err = disk.AllocatedBytes(b.Path); err != nil {
		return err
	}
	b.table, err = disk.ReadTable(b.Path)
	return err
}

// piLayout refuses a table that is not that of a Raspberry Pi OS image.
func piLayout(t disk.Table, rootSize int64) error {
	if n := len(t.Partitions); n != 2 {
		return fmt.Errorf("it has %d partitions, and a Raspberry Pi OS image has 2 (boot and root)", n)
	}
	boot, root := t.Partitions[0], t.Partitions[1]
	switch {
	case boot.Number != 1 || boot.Type != disk.TypeFAT32 || root.Number != 2 || root.Type != disk.TypeLinux:
		return fmt.Errorf("its partitions have types %#02x and %#02x, and a Raspberry Pi OS image has %#02x (FAT32) and %#02x (Linux)",
			boot.Type, root.Type, disk.TypeFAT32, disk.TypeLinux)
	case root.Start < boot.End():
		return errors.New("its root partition lies before its boot partition")
	case root.Size > rootSize:
		return fmt.Errorf("its root partition takes %d MiB, more than the profile's root_size of %d MiB: set root_size to %dGiB or more",
			root.Size>>20, rootSize>>20, (root.Size+1<<30-1)>>30)
	}
	return nil
}

// customised are the files by which Raspberry Pi Imager and others have a first
// boot change the system: it would undo what we write.
var customised = []string{"custom.toml", "firstrun.sh", "userconf", "userconf.txt", "wpa_supplicant.conf", "rpi-preseed.toml"}

// untouched refuses an image that was customised for its first boot.
func (b *base) untouched() error {
	boot, err := disk.ReadFAT(b.Path, b.table.Partitions[0])
	if err != nil {
		return err
	}
	defer boot.Close()
	names, err := boot.List("/")
	if err != nil {
		return err
	}
	for _, n := range names {
		if slices.Contains(customised, strings.ToLower(n)) {
			return fmt.Errorf("its boot partition holds %s, which makes the first boot change the system: use an image as it was downloaded", n)
		}
	}
	return nil
}

// read takes the files that decide or are edited out of the root filesystem.
func (b *base) read(ctx context.Context, root *disk.Ext4, p *plan.Plan) error {
	wanted := append([]string{osRelease, dpkgStatus, fstab, hosts, machineID}, accountFiles...)
	var asked []string
	for _, img := range p.Images {
		for _, f := range img.Files {
			asked = append(asked, f.If, f.Unless)
		}
		asked = append(asked, "/home/"+img.User.Name)
	}
	asked = append(asked, wanted...)
	slices.Sort(asked)
	asked = slices.DeleteFunc(slices.Compact(asked), func(path string) bool { return path == "" })
	var err error
	if b.info, err = root.Stat(ctx, asked...); err != nil {
		return err
	}
	wanted = slices.DeleteFunc(wanted, func(path string) bool { return !b.has(path) })
	if b.files, err = root.ReadFiles(ctx, wanted...); err != nil {
		return err
	}
	for _, path := range []string{osRelease, dpkgStatus, fstab, "/etc/passwd", "/etc/shadow", "/etc/group"} {
		if !b.has(path) {
			return fmt.Errorf("its root filesystem has no %s: it is not Raspberry Pi OS", path)
		}
	}
	return b.identify(p)
}

// identify finds the architecture, suite and user.
func (b *base) identify(p *plan.Plan) error {
	suite := value(b.files[osRelease], "VERSION_CODENAME=")
	if suite != p.Suite {
		return fmt.Errorf("it is %s, and the profile says suite: %s", suite, p.Suite)
	}
	if b.arch = dpkgArch(b.files[dpkgStatus]); b.arch == "" {
		return errors.New("its dpkg status does not say for which architecture it is")
	}
	for line := range strings.Lines(string(b.files["/etc/passwd"])) {
		if f := strings.Split(line, ":"); len(f) > 3 && f[2] == fmt.Sprint(plan.UserID) {
			b.user = f[0]
		}
	}
	for _, img := range p.Images {
		if img.Unblock && !b.has(plan.NetworkManager) {
			return errors.New("it has no NetworkManager, and without it berry cannot set up the profile's Wi-Fi")
		}
	}
	return nil
}

// has tells whether the base has one of the paths that were asked for.
func (b *base) has(path string) bool {
	_, ok := b.info[path]
	return ok
}

// value returns what follows prefix on the first line that begins with it,
// without quotes.
func value(text []byte, prefix string) string {
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, prefix); ok {
			return strings.Trim(strings.TrimSpace(v), `"`)
		}
	}
	return ""
}

// dpkgArch is the architecture of the installed dpkg, which is that of the
// system (dpkg --print-architecture says the same).
func dpkgArch(status []byte) string {
	lines := bufio.NewScanner(bytes.NewReader(status))
	lines.Buffer(nil, len(status)+1)
	inDpkg := false
	for lines.Scan() {
		line := lines.Text()
		if name, ok := strings.CutPrefix(line, "Package: "); ok {
			inDpkg = name == "dpkg"
		}
		if arch, ok := strings.CutPrefix(line, "Architecture: "); ok && inDpkg {
			return arch
		}
	}
	return ""
}

// copyBase makes the image, a copy of the grown base.
func copyBase(ctx context.Context, img *image) error {
	return disk.Copy(ctx, img.path, img.base.Path, img.task)
}
