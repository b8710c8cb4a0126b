package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ulikunitz/xz"
)

//go:embed initrd.sh
var initScript []byte

// initrdModules are the kernel modules, beyond those built in, with which QEMU's
// machine finds its SD card or virtio disk and mounts it. What they depend on
// comes along.
var initrdModules = []string{"sdhci-pci", "mmc_block", "virtio_pci", "virtio_blk", "ext4", "crc32c_generic"}

// writeInitrd writes a small initramfs for the kernel of version release in the
// tree root: busybox, initScript and the modules. A real one would take minutes
// to make under emulation, and is larger.
func writeInitrd(file, root, release string, busybox []byte) error {
	dir := filepath.Join(root, "usr/lib/modules", release)
	order, err := moduleOrder(dir, initrdModules)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	zipped := gzip.NewWriter(&archive)
	ar := &cpio{w: zipped}
	for _, d := range []string{"bin", "modules"} {
		ar.dir(d)
	}
	ar.file("bin/busybox", busybox)
	ar.file("init", initScript)
	var names []string
	for _, module := range order {
		content, err := readModule(filepath.Join(dir, module))
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(filepath.Base(module), ".xz")
		ar.file("modules/"+name, content)
		names = append(names, name)
	}
	ar.file("modules/order", []byte(strings.Join(names, "\n")+"\n"))
	if err := errors.Join(ar.close(), zipped.Close()); err != nil {
		return err
	}
	return os.WriteFile(file, archive.Bytes(), 0o644)
}

// moduleOrder gives the files of the wanted modules and of all they depend on,
// relative to dir, in the order to load them. Modules that the kernel has built
// in are left out.
func moduleOrder(dir string, wanted []string) ([]string, error) {
	deps, err := readDeps(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return nil, err
	}
	builtin, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	var order []string
	for _, want := range wanted {
		if bytes.Contains(builtin, []byte("/"+want+".ko\n")) {
			continue
		}
		file, ok := findModule(deps, want)
		if !ok {
			return nil, fmt.Errorf("cannot find kernel module %s in %s", want, dir)
		}
		// modules.dep lists the nearest dependency first.
		chain := append([]string{file}, deps[file]...)
		slices.Reverse(chain)
		for _, f := range chain {
			if !slices.Contains(order, f) {
				order = append(order, f)
			}
		}
	}
	return order, nil
}

// readDeps reads depmod's table: module file to the files it depends on.
func readDeps(file string) (map[string][]string, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	deps := map[string][]string{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		deps[name] = strings.Fields(rest)
	}
	return deps, lines.Err()
}

func findModule(deps map[string][]string, name string) (string, bool) {
	for file := range deps {
		if strings.TrimSuffix(filepath.Base(file), ".xz") == name+".ko" {
			return file, true
		}
	}
	return "", false
}

// readModule reads a module, unpacked: the kernel's own unpacking needs a helper
// that the initramfs does not have.
func readModule(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if !strings.HasSuffix(file, ".xz") {
		return io.ReadAll(f)
	}
	r, err := xz.NewReader(bufio.NewReader(f))
	if err != nil {
		return nil, fmt.Errorf("cannot unpack %s: %w", file, err)
	}
	return io.ReadAll(r)
}
