package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
)

var exampleBrick = disk.Brick{
	Label: "berry-brick", UUID: "3d3a3f1c-6f1e-4c55-9a0e-0123456789ab", Seed: "8f3f2b7a-5c1d-4e5f-8a9b-ba9876543210",
	Dir: "brick", Time: disktest.Made,
}

// withBrick makes an image with a third partition and the brick in it.
func withBrick(t testing.TB, o disktest.Options) string {
	t.Helper()
	image := disktest.New(t, o)
	table := disk.Table{Signature: disktest.Signature, Partitions: []disk.Partition{boot, root, brick()}}
	if err := errors.Join(
		disk.Grow(image, brick().End()),
		disk.WriteTable(image, table),
		tools(t).MakeBrick(t.Context(), image, brick(), exampleBrick),
	); err != nil {
		t.Fatal(err)
	}
	return image
}

func TestMakeBrick(t *testing.T) {
	image := withBrick(t, disktest.Options{})
	disktest.Judge(t, image)
	fs4, err := tools(t).OpenExt4(image, brick(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	names, err := fs4.List(t.Context(), "/")
	if diff := cmp.Diff([]string{"brick", "lost+found"}, names); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	infos, err := fs4.Stat(t.Context(), "/brick")
	if diff := cmp.Diff(map[string]disk.Info{"/brick": {Kind: disk.Dir, Mode: 0o755, Size: 4096}}, infos, sameInfo); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	says := disktest.Run(t, "dumpe2fs", "-h", device(image, brick()))
	for field, want := range map[string]string{
		"Filesystem volume name": "berry-brick",
		"Filesystem UUID":        exampleBrick.UUID,
		"Directory Hash Seed":    exampleBrick.Seed,
		"Inode size":             "512",
		"Reserved block count":   "0",
		"Total journal size":     "64M",
		"Errors behavior":        "Remount read-only",
		"Last write time":        "Tue Sep 15 12:00:00 2026",
	} {
		if got := fieldOf(says, field); got != want {
			t.Errorf("%s: got %q, want %q", field, got, want)
		}
	}
	for _, want := range []string{"metadata_csum", "dir_index", "resize_inode", "64bit", "extent"} {
		if !strings.Contains(fieldOf(says, "Filesystem features"), want) {
			t.Errorf("no feature %s", want)
		}
	}
}

func TestBricksAreRepeatable(t *testing.T) {
	dir := t.TempDir()
	make1 := func(name string) [32]byte {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, nil, 0o600), disk.Grow(path, disk.MinBrick+8<<20)); err != nil {
			t.Fatal(err)
		}
		p := disk.Partition{Number: 3, Start: 8 << 20, Size: disk.MinBrick}
		if err := tools(t).MakeBrick(t.Context(), path, p, exampleBrick); err != nil {
			t.Fatal(err)
		}
		return disktest.Digest(t, path)
	}
	first := make1("a")
	time.Sleep(1100 * time.Millisecond)
	if make1("b") != first {
		t.Error("a brick made at another time has other bytes")
	}
}

// The node grows the brick with its card. What the reserved descriptors allow is
// the most that can be had while it is mounted.
func TestABrickGrowsToTwoTebibytes(t *testing.T) {
	image := withBrick(t, disktest.Options{})
	path := disktest.Carve(t, image, 3)
	for _, size := range []string{"58G", "512G", "2047G"} {
		disktest.Run(t, "resize2fs", "-f", path, size) // it lengthens the file itself
		disktest.Run(t, "e2fsck", "-fn", path)
	}
	says := disktest.Run(t, "dumpe2fs", "-h", path)
	if !strings.Contains(fieldOf(says, "Filesystem features"), "resize_inode") || fieldOf(says, "Block count") != "536608768" {
		t.Errorf("grown, it has become something else:\n%s", says)
	}
}

func TestMakeBrickRefuses(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	for name, c := range map[string]struct {
		change func(*disk.Partition, *disk.Brick)
		want   string
	}{
		"a small partition":     {func(p *disk.Partition, _ *disk.Brick) { p.Size = 128 << 20 }, "needs 256 at least"},
		"a partition too far":   {func(p *disk.Partition, _ *disk.Brick) {}, "the image ends before"},
		"no label":              {func(p *disk.Partition, b *disk.Brick) { *p = root; b.Label = "" }, "label"},
		"a label of 17 bytes":   {func(p *disk.Partition, b *disk.Brick) { *p = root; b.Label = "seventeen letters" }, "label"},
		"a folder in a folder":  {func(p *disk.Partition, b *disk.Brick) { *p = root; b.Dir = "a/b" }, "not the name of a folder"},
		"a UUID that is none":   {func(p *disk.Partition, b *disk.Brick) { *p = root; b.UUID = "x" }, "UUID"},
		"a seed with an option": {func(p *disk.Partition, b *disk.Brick) { *p = root; b.Seed = "random,discard" }, "UUID"},
		"no time":               {func(p *disk.Partition, b *disk.Brick) { *p = root; b.Time = time.Time{} }, "time"},
	} {
		t.Run(name, func(t *testing.T) {
			p, b := brick(), exampleBrick
			c.change(&p, &b)
			if err := tools(t).MakeBrick(t.Context(), image, p, b); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	disktest.Judge(t, image)
}
