package main

import (
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"
)

// need is a program and the Debian package that has it.
type need struct{ program, pkg string }

// makingNeeds are what making an image takes.
var makingNeeds = []need{
	{"apt-get", "apt"},
	{"dpkg-deb", "dpkg"},
	{"mcopy", "mtools"},
	{"mke2fs", "e2fsprogs"},
	{"mkfs.vfat", "dosfstools"},
	{"mount", "mount"},
	{"sfdisk", "fdisk"},
}

// bootingNeeds are what booting it takes (package qemu).
var bootingNeeds = []need{
	{"qemu-img", "qemu-utils"},
	{"qemu-system-aarch64", "qemu-system-arm"},
	{"ssh", "openssh-client"},
}

// emulators run programs of another architecture while its image is made.
var emulators = map[string]need{
	"arm64": {"qemu-aarch64-static", "qemu-user-static"},
	"amd64": {"qemu-x86_64-static", "qemu-user-static"},
}

// otherNeeds are packages without a program: Debian's keys.
var otherNeeds = []string{"debian-archive-keyring"}

// needs are the Debian packages that making and booting images takes.
func needs() []string {
	list := slices.Clone(otherNeeds)
	for _, n := range slices.Concat(makingNeeds, bootingNeeds) {
		list = append(list, n.pkg)
	}
	list = append(list, emulators["arm64"].pkg)
	slices.Sort(list)
	return slices.Compact(list)
}

// checkPrograms refuses to start where a program for making an image of arch is
// missing.
func checkPrograms(arch string) error {
	wanted := slices.Clone(makingNeeds)
	if n, ok := emulators[arch]; ok && arch != runtime.GOARCH {
		wanted = append(wanted, n)
	}
	var missing, install []string
	for _, n := range wanted {
		if _, err := exec.LookPath(n.program); err != nil {
			missing = append(missing, n.program)
			install = append(install, n.pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(install)
	return fmt.Errorf("cannot find %s; type: apt-get install %s",
		strings.Join(missing, ", "), strings.Join(slices.Compact(install), " "))
}
