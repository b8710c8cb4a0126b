// Package umltest is a machine of a few seconds for tests: User Mode Linux, a
// Linux kernel that is an ordinary program, boots systemd from a card image. In
// it a test is root, the kernel reads partition tables and grows filesystems
// online, and pulling the plug costs nothing; on the machine that runs the test
// it needs neither root nor loop devices.
//
// The card has the three partitions of a node image. Its root filesystem is real
// ext4; the test machine's /usr lies below its own, read-only, through hostfs and
// an overlay, so that systemd, sfdisk and resize2fs need not be copied. FromImage
// makes a card of a whole image instead, as the builder makes it for amd64. The
// Debian packages that must be there: user-mode-linux, kmod, systemd, udev,
// e2fsprogs, fdisk, locales, tzdata.
package umltest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where the partitions of a Card lie, in MiB.
const (
	bootStart, bootSize = 8, 8
	rootStart, rootSize = 16, 96
	brickSize           = 16
	brickLabel          = "berry-brick"
)

// memory is a folder that costs no disk: a flush of the machine's disk would be
// one of this machine's.
const memory = "/dev/shm"

// needless are units of a Debian that a test does without. The D-Bus daemon is
// one of them: nothing of ours may need it.
var needless = []string{
	"dbus.service", "dbus.socket", "e2scrub_reap.service", "getty.target", "modprobe@configfs.service",
	"modprobe@dm_mod.service", "modprobe@drm.service", "modprobe@efi_pstore.service", "modprobe@fuse.service",
	"modprobe@loop.service", "network-pre.target", "remote-fs.target", "systemd-firstboot.service",
	"systemd-logind.service", "systemd-network-generator.service", "systemd-networkd.service",
	"systemd-networkd.socket", "systemd-random-seed.service", "systemd-sysctl.service", "systemd-sysusers.service",
	"systemd-timesyncd.service", "systemd-update-utmp.service", "systemd-update-utmp-runlevel.service",
	"systemd-user-sessions.service", "timers.target",
}

// File is a file on the card. A Content that starts with "-> " is the target of
// a symbolic link.
type File struct {
	Content string
	Mode    fs.FileMode // 0 means 0644
}

// Card is a card image.
type Card struct {
	Path  string
	whole bool // the root filesystem needs nothing of the test machine's
	t     testing.TB
}

// NewCard makes a card of size MiB whose root filesystem has these files, by
// their absolute names, over a minimal Debian's.
func NewCard(t testing.TB, size int64, files map[string]File) *Card {
	t.Helper()
	c := newCard(t)
	tree := filepath.Join(filepath.Dir(c.Path), "root")
	skeleton(t, tree)
	for name, f := range files {
		put(t, filepath.Join(tree, name), f)
	}
	c.lay(tree, size)
	return c
}

// lay makes the partitions and filesystems of a card of size MiB.
func (c *Card) lay(tree string, size int64) {
	c.t.Helper()
	if err := os.WriteFile(c.Path, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Truncate(c.Path, size<<20); err != nil {
		c.t.Fatal(err)
	}
	const brickStart = rootStart + rootSize
	c.tool(fmt.Sprintf("label: dos\nunit: sectors\nstart=%d, size=%d, type=c\nstart=%d, size=%d, type=83\nstart=%d, size=%d, type=83\n",
		bootStart*2048, bootSize*2048, rootStart*2048, rootSize*2048, brickStart*2048, brickSize*2048), "sfdisk", "--quiet", c.Path)
	// Root owns what lies on a card, whoever runs the test.
	c.tool("", "mke2fs", "-q", "-t", "ext4", "-L", "rootfs", "-d", tree, "-E",
		fmt.Sprintf("offset=%d,root_owner=0:0", rootStart<<20), c.Path, fmt.Sprintf("%dM", rootSize))
	c.tool("", "mke2fs", "-q", "-t", "ext4", "-L", brickLabel, "-E",
		fmt.Sprintf("offset=%d,root_owner=0:0", brickStart<<20), c.Path, fmt.Sprintf("%dM", brickSize))
}

// skeleton lays out a root filesystem that systemd boots with the test machine's
// /usr in it.
func skeleton(t testing.TB, dir string) {
	t.Helper()
	for _, d := range []string{
		"boot/firmware", "dev", "etc/default", "etc/systemd/system", "export", "mnt", "proc",
		"root", "run", "sys", "tmp", "usr", "var/lib/usr", "var/log", "var/tmp",
	} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]File{
		"bin": {Content: "-> usr/bin"}, "sbin": {Content: "-> usr/sbin"},
		"lib": {Content: "-> usr/lib"}, "lib64": {Content: "-> usr/lib64"},
		"etc/machine-id":                    {Content: "uninitialized\n"},
		"etc/systemd/system/default.target": {Content: "-> /usr/lib/systemd/system/multi-user.target"},
	}
	for _, unit := range needless {
		files["etc/systemd/system/"+unit] = File{Content: "-> /dev/null"}
	}
	for _, name := range []string{"etc/passwd", "etc/group", "etc/nsswitch.conf", "etc/ld.so.cache", "etc/locale.alias"} {
		data, err := os.ReadFile("/" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = File{Content: string(data)}
	}
	for name, f := range files {
		put(t, filepath.Join(dir, name), f)
	}
}

// put writes one file into the tree that becomes the root filesystem.
func put(t testing.TB, path string, f File) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	target, isLink := strings.CutPrefix(f.Content, "-> ")
	switch {
	case err != nil:
	case isLink:
		err = os.Symlink(target, path)
	default:
		mode := f.Mode
		if mode == 0 {
			mode = 0o644
		}
		if err = os.WriteFile(path, []byte(f.Content), mode); err == nil {
			err = os.Chmod(path, mode)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// tool runs a program of the test machine on the card and gives what it printed.
func (c *Card) tool(stdin, name string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	// An ordinary user's PATH often lacks the folders of these programs.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	if found, err := exec.LookPath(filepath.Join("/usr/sbin", name)); err == nil {
		cmd = &exec.Cmd{Path: found, Args: cmd.Args, Env: cmd.Env, Stdin: cmd.Stdin}
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		c.t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out, stderr.String())
	}
	return string(out)
}
