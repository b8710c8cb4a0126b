package main

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"berries/firstboot/host"
	"berries/testimages/debian"
)

// configTxt tells the Pi's firmware what to start, in the words of Raspberry
// Pi OS.
const configTxt = `dtparam=audio=on
camera_auto_detect=1
display_auto_detect=1
auto_initramfs=1
dtoverlay=vc4-kms-v3d
max_framebuffers=2
disable_fw_kms_setup=1
arm_64bit=1
disable_overscan=1
arm_boost=1

[cm4]
otg_mode=1

[all]
`

// bootTree gathers the boot partition's files in a folder, emptying
// /boot/firmware of the root: there the partition is mounted.
func (m *making) bootTree(ctx context.Context) (string, error) {
	tree := filepath.Join(m.work, "boot")
	firmware := filepath.Join(m.root.Dir, "boot/firmware")
	if err := os.MkdirAll(firmware, 0o755); err != nil {
		return "", err
	}
	if err := os.Rename(firmware, tree); err != nil {
		return "", err
	}
	if err := os.Mkdir(firmware, 0o755); err != nil {
		return "", err
	}
	for name, content := range map[string]string{
		"cmdline.txt": m.suite.cmdline(m.diskID),
		"config.txt":  configTxt,
		"issue.txt":   "Stand-in for Raspberry Pi OS Lite, made of Debian " + m.suite.name + "\n",
	} {
		if err := os.WriteFile(filepath.Join(tree, name), []byte(content), 0o644); err != nil {
			return "", err
		}
	}
	release, err := m.release()
	if err != nil || release == "" {
		return tree, err
	}
	return tree, m.addKernel(ctx, tree, release)
}

// addKernel puts the kernel, our initramfs and the Pi's device trees into the
// boot tree, under the names the firmware looks for.
func (m *making) addKernel(ctx context.Context, tree, release string) error {
	busybox, err := m.busybox(ctx)
	if err != nil {
		return err
	}
	initrd := filepath.Join(m.root.Dir, "boot/initrd.img-"+release)
	if err := writeInitrd(initrd, m.root.Dir, release, busybox); err != nil {
		return err
	}
	dtbs, err := filepath.Glob(filepath.Join(m.root.Dir, "usr/lib/linux-image-"+release, "broadcom/bcm2[78]*.dtb"))
	if err != nil {
		return err
	}
	copies := map[string]string{
		filepath.Join(m.root.Dir, "boot/vmlinuz-"+release): "kernel8.img",
		initrd: "initramfs8",
	}
	for _, dtb := range dtbs {
		copies[dtb] = filepath.Base(dtb)
	}
	for from, to := range copies {
		if _, err := m.run.Run(ctx, host.Command("cp", from, filepath.Join(tree, to))); err != nil {
			return err
		}
	}
	// Our initramfs is not one that update-initramfs could rebuild.
	return m.write(file{"etc/initramfs-tools/update-initramfs.conf", "update_initramfs=no\nbackup_initramfs=no\n", 0o644})
}

// busybox gives the statically linked busybox for the target, which is not
// installed in the image.
func (m *making) busybox(ctx context.Context) ([]byte, error) {
	list, err := m.archive.Resolve(ctx, "busybox-static")
	if err != nil {
		return nil, err
	}
	debs, err := m.archive.Fetch(ctx, "busybox-static")
	if err != nil {
		return nil, err
	}
	tree := debian.Root{Dir: filepath.Join(m.work, "busybox"), Run: m.run}
	if err := tree.Extract(ctx, m.target.Name, debs, list); err != nil {
		return nil, err
	}
	return fs.ReadFile(os.DirFS(tree.Dir), "usr/bin/busybox")
}

// partitions lays the image out and fills it.
func (m *making) partitions(ctx context.Context) error {
	boot, err := m.bootTree(ctx)
	if err != nil {
		return err
	}
	used, err := treeBytes(ctx, m.run, m.root.Dir)
	if err != nil {
		return err
	}
	size := rootBytes(used)
	l := m.layout()
	if err := l.partition(ctx, size); err != nil {
		return err
	}
	if err := l.makeBootFS(ctx, boot); err != nil {
		return err
	}
	if err := l.makeRootFS(ctx, m.work, size); err != nil {
		return err
	}
	return l.fill(ctx, m.work, m.root.Dir, size)
}

func (m *making) layout() layout {
	return layout{image: filepath.Join(m.work, "standin.img"), suite: m.suite, diskID: m.diskID, run: m.run}
}

// check has the packages' checksums compared and the image judged by other
// programs, and then puts it into the cache.
func (m *making) check(ctx context.Context) error {
	if err := m.root.Verify(ctx); err != nil {
		return err
	}
	l := m.layout()
	if err := l.judge(ctx); err != nil {
		return err
	}
	return os.Rename(l.image, m.finished)
}
