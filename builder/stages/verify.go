package stages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berries/builder/disk"
	"berries/builder/pack"
	"berries/builder/progress"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Finding is the outcome of one check of an image.
type Finding struct {
	Check string `json:"check"`
	Error string `json:"error,omitempty"` // "" when the check passed
}

// verifyImage judges the image before it gets its name.
func verifyImage(ctx context.Context, img *image) error {
	img.manifest.partitions(img.table)
	j := judge{tools: img.tools, run: img.Runner, path: img.path, manifest: &img.manifest}
	var bad []error
	for _, c := range j.checks() {
		if err := c.run(ctx); err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return errors.Join(bad...)
}

// Verify judges a finished image in any form by all checks, also by the files beside it
// where they are there: checksum, block map, manifest. Progress is told of the
// bytes read for the checksum, which takes longest. The error is for an image
// that could not be read at all. A packed one is unpacked into a folder beside it, which
// is gone afterwards.
func Verify(ctx context.Context, run host.Runner, path string, show progress.Sink) ([]Finding, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	tools, err := disk.FindTools(ctx, run)
	if err != nil {
		return nil, err
	}
	j := judge{tools: tools, run: run, path: path, named: pack.RawName(path)}
	var findings []Finding
	if j.manifest, err = ReadManifest(j.named); err != nil && !errors.Is(err, os.ErrNotExist) {
		findings = append(findings, Finding{"manifest", err.Error()})
	}
	if path != j.named {
		return j.verifyPacked(ctx, findings, show)
	}
	j.task = show.Start(filepath.Base(path), info.Size())
	defer j.task.Done()
	return ask(ctx, findings, append(j.checks(), j.sidecars()...)...)
}

// verifyPacked judges what is in the packed image at j.path.
func (j *judge) verifyPacked(ctx context.Context, findings []Finding, show progress.Sink) ([]Finding, error) {
	packed := j.path
	folder, err := os.MkdirTemp(filepath.Dir(packed), ".berry-verify-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	j.path, j.task = filepath.Join(folder, filepath.Base(j.named)), progress.None.Start("", 0)
	findings, err = ask(ctx, findings, check{"packed file", func(ctx context.Context) error { return j.unpacked(ctx, packed, show) }})
	if err != nil || findings[len(findings)-1].Error != "" {
		return findings, err // what came out of it need not be looked at
	}
	return ask(ctx, findings, append(j.checks(), j.sidecars()...)...)
}

// ask puts questions, and appends what was found.
func ask(ctx context.Context, findings []Finding, checks ...check) ([]Finding, error) {
	for _, c := range checks {
		f := Finding{Check: c.name}
		if err := c.run(ctx); err != nil {
			f.Error = err.Error()
		}
		if err := ctx.Err(); err != nil {
			return findings, err
		}
		findings = append(findings, f)
	}
	return findings, nil
}

// check is one question asked of an image.
type check struct {
	name string
	run  func(context.Context) error
}

// judge asks them. Its manifest is nil for an image that came without one.
type judge struct {
	tools    *disk.Tools
	run      host.Runner
	path     string // of the raw image
	named    string // the raw image's name; what lies beside the image is named after it
	manifest *Manifest
	task     progress.Task // of the checks that take long; only sidecars have any
	table    disk.Table    // read by the first check
}

// checks are the questions for the image itself: ours, and those of the foreign
// programs that are present.
func (j *judge) checks() []check {
	list := []check{
		{"partition table", j.checkTable},
		{"boot filesystem", j.checkBoot},
		{"root filesystem", func(ctx context.Context) error { return j.checkExt4(ctx, 2) }},
		{"brick filesystem", j.checkBrick},
		{"partition ids", j.checkIDs},
		{"node file", j.checkNodeFile},
	}
	if j.manifest != nil {
		list = append(list, check{"files written", j.checkFiles})
	}
	if sfdisk, err := disk.LookPath("sfdisk"); err == nil {
		list = append(list, check{"sfdisk", func(ctx context.Context) error {
			_, err := j.run.Run(ctx, host.Command(sfdisk, "--verify", j.path))
			return err
		}})
	}
	if fsck, err := disk.LookPath("fsck.vfat"); err == nil {
		list = append(list, check{"fsck.vfat", func(ctx context.Context) error { return j.fsckVfat(ctx, fsck) }})
	}
	return list
}

// checkTable reads the table that the other checks go by.
func (j *judge) checkTable(context.Context) error {
	info, err := os.Stat(j.path)
	if err != nil {
		return err
	}
	if j.table, err = disk.ReadTable(j.path); err != nil {
		return err
	}
	if n := len(j.table.Partitions); n < 2 || j.table.Partitions[0].Number != 1 || j.table.Partitions[1].Number != 2 {
		return errors.New("want a boot partition, a root partition and perhaps a brick")
	}
	if j.manifest != nil {
		var have Manifest
		have.partitions(j.table)
		if !slices.Equal(have.Partitions, j.manifest.Partitions) {
			return fmt.Errorf("the partitions are %v, and the manifest says %v", have.Partitions, j.manifest.Partitions)
		}
	}
	return j.table.Check(info.Size())
}

// part returns a partition, or an error where the table has none of that number.
func (j *judge) part(n int) (disk.Partition, error) {
	p, ok := j.table.Partition(n)
	if !ok {
		return p, fmt.Errorf("there is no partition %d", n)
	}
	return p, nil
}

func (j *judge) checkBoot(context.Context) error {
	p, err := j.part(1)
	if err != nil {
		return err
	}
	return disk.CheckFAT(j.path, p)
}

func (j *judge) checkExt4(ctx context.Context, n int) error {
	fs, err := j.ext4(n)
	if err != nil {
		return err
	}
	return fs.Check(ctx)
}

func (j *judge) ext4(n int) (*disk.Ext4, error) {
	p, err := j.part(n)
	if err != nil {
		return nil, err
	}
	return j.tools.OpenExt4(j.path, p, time.Time{})
}

// checkBrick passes an image without a third partition: a balancer has none.
func (j *judge) checkBrick(ctx context.Context) error {
	if _, ok := j.table.Partition(3); !ok {
		return nil
	}
	return j.checkExt4(ctx, 3)
}

// checkIDs makes sure that table, cmdline.txt and fstab mean the same
// partitions: a boot ends in the initramfs when they do not.
func (j *judge) checkIDs(ctx context.Context) error {
	line, err := j.bootFile(cmdlineTxt)
	if err != nil {
		return err
	}
	rootID := "PARTUUID=" + j.table.PARTUUID(2)
	if !slices.Contains(strings.Fields(string(line)), "root="+rootID) {
		return fmt.Errorf("%s does not say root=%s: %s", cmdlineTxt, rootID, strings.TrimSpace(string(line)))
	}
	root, err := j.ext4(2)
	if err != nil {
		return err
	}
	files, err := root.ReadFiles(ctx, fstab)
	if err != nil {
		return err
	}
	for dir, id := range map[string]string{"/": rootID, "/boot/firmware": "PARTUUID=" + j.table.PARTUUID(1)} {
		if device := fstabDevice(string(files[fstab]), dir); device != id {
			return fmt.Errorf("%s mounts %q on %s, and the table says %s", fstab, device, dir, id)
		}
	}
	return nil
}

// fstabDevice is what fstab mounts on a directory, or "".
func fstabDevice(text, dir string) string {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) > 1 && f[1] == dir {
			return f[0]
		}
	}
	return ""
}

func (j *judge) bootFile(name string) ([]byte, error) {
	p, err := j.part(1)
	if err != nil {
		return nil, err
	}
	boot, err := disk.ReadFAT(j.path, p)
	if err != nil {
		return nil, err
	}
	defer boot.Close()
	return boot.ReadFile(name)
}

// checkNodeFile reads the node file as the node will.
func (j *judge) checkNodeFile(ctx context.Context) error {
	root, err := j.ext4(2)
	if err != nil {
		return err
	}
	files, err := root.ReadFiles(ctx, node.Path)
	if err != nil {
		return err
	}
	f, err := node.Decode(files[node.Path])
	if err != nil {
		return err
	}
	if j.manifest != nil && f.Name != j.manifest.Node {
		return fmt.Errorf("it is for %s, and the manifest says %s", f.Name, j.manifest.Node)
	}
	return nil
}
