package debian

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// Root is a system being installed in a folder, entered with chroot. It must be
// made in a private mount namespace (see package standin), whose end undoes every
// mount.
type Root struct {
	Dir    string
	Run    host.Runner
	native string   // PATH entry of borrowed programs; "" when none are
	mounts []string // undone by Leave, the last first
	made   []string // removed by Leave, the last first
}

// systemMounts are the kernel's filesystems that maintainer scripts expect.
var systemMounts = []struct{ source, kind, target string }{
	{"proc", "proc", "proc"},
	{"sysfs", "sysfs", "sys"},
	{"tmpfs", "tmpfs", "run"},
}

// policy keeps maintainer scripts from starting services.
const policy = "#!/bin/sh\nexit 101\n"

const policyFile = "usr/sbin/policy-rc.d"

// devices are bound from the host; the image itself gets devtmpfs at boot.
var devices = []string{"full", "null", "random", "tty", "urandom", "zero"}

// Enter mounts what dpkg and maintainer scripts need: the folder with the package
// files, and the kernel's filesystems.
func (r *Root) Enter(archives string) error {
	if err := r.Bind(archives, archivesInside); err != nil {
		return err
	}
	for _, m := range systemMounts {
		if err := r.mount(m.source, m.kind, m.target, true, 0); err != nil {
			return err
		}
	}
	if err := r.mount("tmpfs", "tmpfs", "dev", true, 0); err != nil {
		return err
	}
	for _, name := range devices {
		if err := r.Bind("/dev/"+name, "dev/"+name); err != nil {
			return err
		}
	}
	if err := os.Symlink("/proc/self/fd", filepath.Join(r.Dir, "dev/fd")); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.Dir, policyFile), []byte(policy), 0o755)
}

// Bind makes source, a file or a folder of the host, visible at target in the
// root, which is made where it is missing, until Leave.
func (r *Root) Bind(source, target string) error {
	st, err := os.Stat(source)
	if err != nil {
		return err
	}
	return r.mount(source, "", target, st.IsDir(), unix.MS_BIND)
}

func (r *Root) mount(source, kind, target string, dir bool, flags uintptr) error {
	full := filepath.Join(r.Dir, target)
	if err := r.place(full, dir); err != nil {
		return err
	}
	if err := unix.Mount(source, full, kind, flags, ""); err != nil {
		return fmt.Errorf("cannot mount %s on %s: %w", source, full, err)
	}
	r.mounts = append(r.mounts, full)
	return nil
}

// place makes an empty file or folder to mount on, and the folders above it.
func (r *Root) place(path string, dir bool) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := r.place(filepath.Dir(path), true); err != nil {
		return err
	}
	r.made = append(r.made, path)
	if dir {
		return os.Mkdir(path, 0o755)
	}
	return os.WriteFile(path, nil, 0o644)
}

// Leave undoes Enter, Borrow and every Bind.
func (r *Root) Leave() error {
	for len(r.mounts) > 0 {
		last := r.mounts[len(r.mounts)-1]
		if err := unix.Unmount(last, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("cannot unmount %s: %w", last, err)
		}
		r.mounts = r.mounts[:len(r.mounts)-1]
	}
	for _, path := range slices.Backward(r.made) {
		// What the system has put there meanwhile stays.
		if err := os.Remove(path); err != nil && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	r.made, r.native = nil, ""
	return os.Remove(filepath.Join(r.Dir, policyFile))
}

// Do runs a program inside the root.
func (r *Root) Do(ctx context.Context, stdin io.Reader, words ...string) error {
	path := "/usr/sbin:/usr/bin:/sbin:/bin"
	if r.native != "" {
		path = r.native + ":" + path
	}
	env := []string{"-i", "PATH=" + path, "HOME=/root", "LC_ALL=C.UTF-8", "TZ=UTC",
		"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true"}
	cmd := host.Command("env", append(append(env, "/usr/sbin/chroot", r.Dir), words...)...)
	cmd.Stdin = stdin
	if stdin == nil {
		cmd.Stdin = strings.NewReader("")
	}
	_, err := r.Run.Run(ctx, cmd)
	return err
}
