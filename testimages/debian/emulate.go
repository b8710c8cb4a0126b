package debian

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// Arch is a processor architecture in the words of Debian, the linker and QEMU.
type Arch struct {
	Name      string // Debian's and Go's
	Multiarch string // folder below /usr/lib
	Loader    string // of dynamically linked programs, below /usr
	QEMU      string // QEMU's
}

// Arches are the architectures a stand-in can be made for, or on.
var Arches = []Arch{
	{Name: "amd64", Multiarch: "x86_64-linux-gnu", Loader: "lib64/ld-linux-x86-64.so.2", QEMU: "x86_64"},
	{Name: "arm64", Multiarch: "aarch64-linux-gnu", Loader: "lib/ld-linux-aarch64.so.1", QEMU: "aarch64"},
}

// FindArch gives the architecture called name.
func FindArch(name string) (Arch, error) {
	for _, a := range Arches {
		if a.Name == name {
			return a, nil
		}
	}
	return Arch{}, fmt.Errorf("unknown architecture %q: try arm64 or amd64", name)
}

// Native tells whether this machine runs the architecture's programs by itself.
func (a Arch) Native() bool { return a.Name == runtime.GOARCH }

const (
	binfmtDir = "/proc/sys/fs/binfmt_misc"
	// configDir is where package qemu-user-static says how to register its
	// emulators; systemd reads it at boot, where there is a systemd.
	configDir = "/usr/lib/binfmt.d"
)

// Emulate has the kernel run programs of the architecture by QEMU, unless it
// does already. The registration outlives this program, as systemd's would.
func Emulate(a Arch) error {
	if err := mountBinfmt(); err != nil {
		return err
	}
	entry, err := os.ReadFile(filepath.Join(binfmtDir, "qemu-"+a.QEMU))
	if err == nil && bytes.HasPrefix(entry, []byte("enabled")) && bytes.Contains(entry, []byte("F")) {
		return nil
	}
	line, err := os.ReadFile(filepath.Join(configDir, "qemu-"+a.QEMU+".conf"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("cannot run %s programs: QEMU is not installed; type: apt-get install qemu-user-static", a.Name)
	} else if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(binfmtDir, "register"), bytes.TrimSpace(line), 0o200); err != nil {
		return fmt.Errorf("cannot register QEMU for %s programs: %w", a.Name, err)
	}
	return nil
}

func mountBinfmt() error {
	if _, err := os.Stat(filepath.Join(binfmtDir, "register")); err == nil {
		return nil
	}
	if err := unix.Mount("binfmt_misc", binfmtDir, "binfmt_misc", 0, ""); err != nil {
		return fmt.Errorf("cannot mount binfmt_misc on %s: %w", binfmtDir, err)
	}
	return nil
}
