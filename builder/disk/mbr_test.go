package disk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
)

// The table of a Raspberry Pi OS image, with p2 as small as disktest makes it.
var (
	boot = disk.Partition{Number: 1, Type: disk.TypeFAT32, Start: 8 << 20, Size: 512 << 20}
	root = disk.Partition{Number: 2, Type: disk.TypeLinux, Start: 520 << 20, Size: 304 << 20}
)

// brick is a p3 that begins where p2 ends.
func brick() disk.Partition {
	return disk.Partition{Number: 3, Type: disk.TypeLinux, Start: root.End(), Size: disk.MinBrick}
}

func TestReadTable(t *testing.T) {
	got, err := disk.ReadTable(disktest.New(t, disktest.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	want := disk.Table{Signature: disktest.Signature, Partitions: []disk.Partition{boot, root}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := got.PARTUUID(2); got != "9730496b-02" {
		t.Errorf("PARTUUID of p2: got %s", got)
	}
}

func TestReadTableRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		fault disktest.Fault
		want  string
	}{
		"zeros":                     {disktest.NoTable, "no MBR partition table"},
		"a GPT disk":                {disktest.GPT, "GPT partition table; give an image with an MBR"},
		"an MBR without partitions": {disktest.NoPartitions, "without partitions; give an image of a whole disk"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := disk.ReadTable(disktest.New(t, disktest.Options{Fault: c.fault}))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestReadTableRefusesAFileShorterThanASector(t *testing.T) {
	path := filepath.Join(t.TempDir(), "short.img")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.ReadTable(path); err == nil {
		t.Error("no error")
	}
}

func TestWriteTableAddsTheBrickAndKeepsTheBootCode(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	bootCode := strings.Repeat("boot code ", 44)
	poke(t, image, 0, bootCode)
	poke(t, image, 512, "what follows the table")
	table := disk.Table{Signature: 0x00c0ffee, Partitions: []disk.Partition{boot, root, brick()}}
	if err := disk.Grow(image, brick().End()); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteTable(image, table); err != nil {
		t.Fatal(err)
	}
	got, err := disk.ReadTable(image)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(table, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := peek(t, image, 0, len(bootCode)); got != bootCode {
		t.Errorf("the boot code is %q", got)
	}
	if got := peek(t, image, 512, 22); got != "what follows the table" {
		t.Errorf("what follows the table is %q", got)
	}
	if got := peek(t, image, 446+32, 8); got != "\x00\xfe\xff\xff\x83\xfe\xff\xff" {
		t.Errorf("p3's entry begins with % x", got)
	}
	disktest.Run(t, "sfdisk", "-V", image)
	dump := disktest.Run(t, "sfdisk", "-d", image)
	for _, want := range []string{"label-id: 0x00c0ffee", "3 : start=     1687552, size=      524288, type=83"} {
		if !strings.Contains(dump, want) {
			t.Errorf("sfdisk does not say %q:\n%s", want, dump)
		}
	}
}

func TestTableCheck(t *testing.T) {
	const size = 2 << 30
	with := func(change func(*disk.Partition)) []disk.Partition {
		p := brick()
		change(&p)
		return []disk.Partition{boot, root, p}
	}
	for name, c := range map[string]struct {
		partitions []disk.Partition
		want       string // "" for no error
	}{
		"boot, root and brick":         {[]disk.Partition{boot, root, brick()}, ""},
		"in another order":             {[]disk.Partition{brick(), boot, root}, ""},
		"a base of 2024, from 4 MiB":   {[]disk.Partition{{Number: 1, Type: disk.TypeFAT32, Start: 4 << 20, Size: 512 << 20}}, ""},
		"a brick over the root":        {with(func(p *disk.Partition) { p.Start -= 8 << 20 }), "before the end of what lies there"},
		"a brick 1 MiB off":            {with(func(p *disk.Partition) { p.Start += 1 << 20 }), "multiple of 8 MiB"},
		"a brick beyond the end":       {with(func(p *disk.Partition) { p.Size = 4 << 30 }), "after the end of the image"},
		"a brick beyond 2 TiB":         {with(func(p *disk.Partition) { p.Size = 2 << 40 }), "2 TiB"},
		"a brick of half a sector":     {with(func(p *disk.Partition) { p.Size += 256 }), "whole sectors"},
		"a brick of nothing":           {with(func(p *disk.Partition) { p.Size = 0 }), "whole sectors"},
		"a brick before the beginning": {with(func(p *disk.Partition) { p.Start = -8 << 20 }), "whole sectors"},
		"a brick over the table":       {with(func(p *disk.Partition) { p.Start = 0; p.Size = 512 }), "before the end"},
		"a fifth partition":            {with(func(p *disk.Partition) { p.Number = 5 }), "1 to 4"},
		"two second partitions":        {with(func(p *disk.Partition) { p.Number = 2 }), "twice"},
		"a brick without a type":       {with(func(p *disk.Partition) { p.Type = 0 }), "type"},
		"a brick that says GPT":        {with(func(p *disk.Partition) { p.Type = 0xee }), "type"},
	} {
		t.Run(name, func(t *testing.T) {
			err := disk.Table{Partitions: c.partitions}.Check(size)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestGrowNeverShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := disk.Grow(path, 50); err == nil {
		t.Error("no error")
	}
}
