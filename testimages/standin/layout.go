package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"berries/firstboot/host"
)

// Where Raspberry Pi OS Lite has its partitions since March 2025, in sectors of
// 512 bytes (pi-gen, export-image/prerun.sh).
const (
	sectorSize  = 512
	bootStart   = 16384
	bootSectors = 1048576
	rootStart   = bootStart + bootSectors
	alignment   = 8 << 20 // both ends of the root partition, bytes
)

// layout is one image being laid out.
type layout struct {
	image  string // the file being written
	suite  suite
	diskID uint32 // disk signature; PARTUUIDs are made of it
	run    host.Runner
}

// rootBytes is the size pi-gen gives the root partition for a tree of used
// bytes: a fifth more and 200 MiB, rounded up to the alignment.
func rootBytes(used int64) int64 {
	size := used + used/5 + 200<<20
	return (size + alignment - 1) / alignment * alignment
}

// treeBytes is what `du --apparent-size` says of the tree.
func treeBytes(ctx context.Context, run host.Runner, tree string) (int64, error) {
	res, err := run.Run(ctx, host.Command("du", "-x", "--apparent-size", "--summarize", "--block-size=1", tree))
	if err != nil {
		return 0, err
	}
	field, _, _ := strings.Cut(string(res.Stdout), "\t")
	return strconv.ParseInt(field, 10, 64)
}

// partition makes the image file as long as its partitions need and writes the
// partition table with the disk signature.
func (l layout) partition(ctx context.Context, rootSize int64) error {
	f, err := os.OpenFile(l.image, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Truncate(rootStart*sectorSize + rootSize); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	table := fmt.Sprintf("label: dos\nlabel-id: 0x%08x\nunit: sectors\nstart=%d, size=%d, type=c\nstart=%d, size=%d, type=83\n",
		l.diskID, bootStart, bootSectors, rootStart, rootSize/sectorSize)
	cmd := host.Command("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", l.image)
	cmd.Stdin = strings.NewReader(table)
	_, err = l.run.Run(ctx, cmd)
	return err
}

// makeBootFS makes the FAT filesystem and copies the tree boot into it. It uses
// mtools, so that a kernel without vfat will do.
func (l layout) makeBootFS(ctx context.Context, boot string) error {
	cmd := host.Command("mkfs.vfat", "-F", "32", "-n", "bootfs", "-s", strconv.Itoa(l.suite.clusterSectors),
		"--offset", strconv.Itoa(bootStart), l.image, strconv.Itoa(bootSectors*sectorSize/1024))
	if _, err := l.run.Run(ctx, cmd); err != nil {
		return err
	}
	entries, err := os.ReadDir(boot)
	if err != nil {
		return err
	}
	args := []string{"-i", fmt.Sprintf("%s@@%d", l.image, bootStart*sectorSize), "-s", "-m", "-Q"}
	for _, e := range entries {
		args = append(args, filepath.Join(boot, e.Name()))
	}
	copying := host.Command("mcopy", append(args, "::")...)
	copying.Env = []string{"MTOOLS_SKIP_CHECK=1"}
	_, err = l.run.Run(ctx, copying)
	return err
}

// makeRootFS makes the ext4 filesystem as pi-gen on a host of the image's suite
// would, whatever this host's mke2fs.conf says.
func (l layout) makeRootFS(ctx context.Context, work string, size int64) error {
	conf := filepath.Join(work, "mke2fs.conf")
	if err := os.WriteFile(conf, l.suite.mke2fsConf(), 0o644); err != nil {
		return err
	}
	cmd := host.Command("mke2fs", "-q", "-F", "-t", "ext4", "-L", "rootfs", "-O", "^64bit,^huge_file",
		"-E", fmt.Sprintf("offset=%d", rootStart*sectorSize), l.image, fmt.Sprintf("%dk", size/1024))
	cmd.Env = []string{"MKE2FS_CONFIG=" + conf}
	_, err := l.run.Run(ctx, cmd)
	return err
}

// fill copies the tree into the root filesystem through the kernel, so that
// directories are indexed as on a real image. It must run in a private mount
// namespace: otherwise another process that clones namespaces meanwhile keeps
// the filesystem mounted, and it is not clean after umount.
func (l layout) fill(ctx context.Context, work, tree string, size int64) error {
	mnt := filepath.Join(work, "mnt")
	if err := os.Mkdir(mnt, 0o755); err != nil {
		return err
	}
	opts := fmt.Sprintf("loop,offset=%d,sizelimit=%d", rootStart*sectorSize, size)
	if _, err := l.run.Run(ctx, host.Command("mount", "-t", "ext4", "-o", opts, l.image, mnt)); err != nil {
		return err
	}
	_, copyErr := l.run.Run(ctx, host.Command("cp", "--archive", "--one-file-system", tree+"/.", mnt))
	if _, err := l.run.Run(context.WithoutCancel(ctx), host.Command("umount", mnt)); err != nil {
		return err
	}
	return copyErr
}

// judge has foreign programs look at what was made.
func (l layout) judge(ctx context.Context) error {
	root := fmt.Sprintf("%s?offset=%d", l.image, rootStart*sectorSize)
	if _, err := l.run.Run(ctx, host.Command("e2fsck", "-fn", root)); err != nil {
		return err
	}
	res, err := l.run.Run(ctx, host.Command("sfdisk", "--verify", l.image))
	if err != nil {
		return err
	}
	if !bytes.Contains(res.Stdout, []byte("No errors detected")) {
		return fmt.Errorf("sfdisk finds fault with %s: %s", l.image, res.Stdout)
	}
	_, err = l.run.Run(ctx, host.Command("mdir", "-i", fmt.Sprintf("%s@@%d", l.image, bootStart*sectorSize), "::cmdline.txt"))
	return err
}
