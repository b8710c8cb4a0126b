package disk_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/firstboot/host"
)

// suites are the two layouts of FAT and ext4 that exist.
var suites = []disktest.Suite{disktest.Trixie, disktest.Bookworm}

// openBoot opens p1 of an image.
func openBoot(t testing.TB, image string) *disk.FAT {
	t.Helper()
	fat, err := disk.OpenFAT(image, boot, disktest.Made.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return fat
}

// editBoot writes files into p1, and has go on being a sound image.
func editBoot(t testing.TB, image string, files map[string]string) {
	t.Helper()
	fat := openBoot(t, image)
	var names []string
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := fat.WriteFile(name, []byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := fat.Close(); err != nil {
		t.Fatal(err)
	}
	disktest.Judge(t, image)
	// mtools reads what we wrote.
	volume := fmt.Sprintf("%s@@%d", image, boot.Start)
	for _, name := range names {
		if got := disktest.Run(t, "mtype", "-i", volume, "::"+name); got != files[name] {
			t.Errorf("mtools reads %d bytes from %s, want %d", len(got), name, len(files[name]))
		}
	}
}

func TestFATFilesAreWritten(t *testing.T) {
	many := map[string]string{}
	for i := range 100 {
		many[fmt.Sprintf("a-rather-long-file-name-%03d.dtb", i)] = fmt.Sprint(i)
	}
	cases := map[string]map[string]string{
		"shorter than before":          {"kernel8.img": "x"},
		"longer than before":           {"cmdline.txt": strings.Repeat("long ", 5000)},
		"as long as before":            {"issue.txt": "Raspberry Pi reference 2026-09-16\n"},
		"of exactly some clusters":     {"cmdline.txt": strings.Repeat("0123456789abcdef", 512)},
		"new, with a short name":       {"SSH": "\n"},
		"new, with a long name":        {"firstrun-with-a-long-name.sh": "#!/bin/sh\n"},
		"names alike in eight letters": {"network-config": "a\n", "network-confit": "b\n", "network-confix": "c\n"},
		"in a folder":                  {"overlays/berry.dtbo": "overlay", "overlays/README": "other"},
		"by another case":              {"CONFIG.TXT": "dtparam=watchdog=on\n"},
		"a hundred":                    many,
	}
	for _, suite := range suites {
		base := disktest.New(t, disktest.Options{Suite: suite, CloudInit: true})
		for name, files := range cases {
			t.Run(name+" on "+suite.String(), func(t *testing.T) { editBoot(t, copyOf(t, base), files) })
		}
	}
}

// Where many files were deleted go-diskfs alone panics, and into an empty file
// it writes nothing.
func TestFATFilesAreWrittenWhereOthersWereDeleted(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			image := disktest.New(t, disktest.Options{Suite: suite})
			volume := fmt.Sprintf("%s@@%d", image, boot.Start)
			dir := t.TempDir()
			var paths, gone []string
			for i := range 60 {
				name := fmt.Sprintf("a-temporary-file-of-rsync-%02d", i)
				paths = append(paths, filepath.Join(dir, name))
				gone = append(gone, "::"+name)
				if err := os.WriteFile(paths[i], []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			empty := filepath.Join(dir, "userconf.txt")
			if err := os.WriteFile(empty, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			disktest.Run(t, "mcopy", append(append([]string{"-i", volume}, append(paths, empty)...), "::")...)
			disktest.Run(t, "mdel", append([]string{"-i", volume}, gone...)...)
			editBoot(t, image, map[string]string{"cmdline.txt": "quiet\n", "userconf.txt": "pi:hash\n", "new.txt": "new\n"})
		})
	}
}

func TestFATReadAndList(t *testing.T) {
	fat := openBoot(t, disktest.New(t, disktest.Options{}))
	defer fat.Close()
	if got, err := fat.ReadFile("Overlays/ReadMe"); string(got) != "device tree overlays\n" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := fat.ReadFile("nothing.txt"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: got %v", err)
	}
	if _, err := fat.ReadFile("overlays"); err == nil {
		t.Error("a folder was read as a file")
	}
	names, err := fat.List("")
	if err != nil || !slices.Contains(names, "cmdline.txt") || !slices.Contains(names, "overlays") || slices.Contains(names, "bootfs") {
		t.Errorf("got %v, %v", names, err)
	}
	if names, err := fat.List("overlays"); err != nil || len(names) != 8 {
		t.Errorf("overlays: got %v, %v", names, err)
	}
	if got := fat.Label(); got != "bootfs" {
		t.Errorf("label: got %q", got)
	}
}

func TestFATWriteFileRefuses(t *testing.T) {
	fat := openBoot(t, disktest.New(t, disktest.Options{}))
	defer fat.Close()
	for name, c := range map[string]struct {
		file, data, want string
	}{
		"an empty file":              {"ssh", "", "empty"},
		"a folder that is not there": {"extlinux/extlinux.conf", "x", "not exist"},
		"a file as a folder":         {"cmdline.txt/x", "x", "not a folder"},
		"a folder as a file":         {"overlays", "x", "folder of that name"},
		"the filesystem's own name":  {"bootfs", "x", "name of the filesystem"},
		"a name with a colon":        {"a:b", "x", "':'"},
		"a name with a blank":        {"a b", "x", "' '"},
		"a name with an umlaut":      {"kön.txt", "x", "'ö'"},
		"a dot file":                 {".hidden", "x", "dot"},
		"the root itself":            {"/", "x", "name"},
		"more than there is room":    {"big.img", strings.Repeat("x", 520<<20), "free there"},
	} {
		t.Run(name, func(t *testing.T) {
			err := fat.WriteFile(c.file, []byte(c.data))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

// An image in the cache is read-only, for its owner too.
func TestReadFATReadsWhatNobodyMayWrite(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	if err := os.Chmod(image, 0o444); err != nil {
		t.Fatal(err)
	}
	fat, err := disk.ReadFAT(image, boot)
	if err != nil {
		t.Fatal(err)
	}
	defer fat.Close()
	if text, err := fat.ReadFile("cmdline.txt"); err != nil || len(text) == 0 {
		t.Errorf("cmdline.txt: %q, %v", text, err)
	}
	if err := fat.WriteFile("cmdline.txt", []byte("other\n")); err == nil {
		t.Error("it was written to")
	}
}

func TestOpenFATRefuses(t *testing.T) {
	_, err := disk.OpenFAT(disktest.New(t, disktest.Options{Fault: disktest.DirtyFAT}), boot, disktest.Made)
	if err == nil || !strings.Contains(err.Error(), "not unmounted cleanly; download the image again") {
		t.Errorf("a dirty filesystem: got %v", err)
	}
	_, err = disk.OpenFAT(disktest.New(t, disktest.Options{}), root, disktest.Made)
	if err == nil || !strings.Contains(err.Error(), "not a FAT32 filesystem") {
		t.Errorf("an ext4 filesystem: got %v", err)
	}
}

// What is wrong, fsck.vfat sees too; so these are not merely our own ideas.
func TestCheckFATFindsWhatFsckFinds(t *testing.T) {
	entry := func(t *testing.T, image, name string) int64 {
		head := peek(t, image, boot.Start, 12<<20)
		at := strings.Index(head, name)
		if at < 0 {
			t.Fatalf("no directory entry %s", name)
		}
		return boot.Start + int64(at)
	}
	base := disktest.New(t, disktest.Options{})
	if err := disk.CheckFAT(base, boot); err != nil {
		t.Fatalf("before: %v", err)
	}
	for name, c := range map[string]struct {
		damage func(t *testing.T, image string)
		want   string
	}{
		"the second FAT differs": {func(t *testing.T, image string) {
			poke(t, image, boot.Start+secondFAT(t, image)+100, "\x99")
		}, "FATs differ"},
		"the free count is wrong": {func(t *testing.T, image string) { poke(t, image, boot.Start+512+488, "\x01\x02") }, "clusters are free"},
		"two files share clusters": {func(t *testing.T, image string) {
			poke(t, image, entry(t, image, "CONFIG  TXT")+26, peek(t, image, entry(t, image, "CMDLINE TXT")+26, 2))
		}, "another file too"},
		"a file has too many clusters": {func(t *testing.T, image string) {
			poke(t, image, entry(t, image, "KERNEL8 IMG")+28, "\x01\x00\x00\x00")
		}, "clusters, and it has"},
		"clusters belong to nobody": {func(t *testing.T, image string) { poke(t, image, entry(t, image, "KERNEL8 IMG"), "\xe5") }, "belongs to no file"},
		"a name is there twice": {func(t *testing.T, image string) {
			poke(t, image, entry(t, image, "CONFIG  TXT"), "CMDLINE TXT")
		}, "there twice"},
		"it was not unmounted": {func(t *testing.T, image string) { poke(t, image, boot.Start+65, "\x01") }, "unmounted"},
	} {
		t.Run(name, func(t *testing.T) {
			image := copyOf(t, base)
			c.damage(t, image)
			if err := disk.CheckFAT(image, boot); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if fsckLikes(t, image) {
				t.Error("fsck.vfat sees nothing wrong")
			}
		})
	}
}

// secondFAT is where the second FAT begins, from the start of the filesystem.
func secondFAT(t *testing.T, image string) int64 {
	b := []byte(peek(t, image, boot.Start, 64))
	return 512 * (int64(binary.LittleEndian.Uint16(b[14:])) + int64(binary.LittleEndian.Uint32(b[36:])))
}

// fsckLikes says whether fsck.vfat finds nothing to complain of in p1.
func fsckLikes(t *testing.T, image string) bool {
	fsck, err := disk.LookPath("fsck.vfat")
	if err != nil {
		t.Fatal(err)
	}
	_, err = host.Exec{}.Run(t.Context(), host.Command(fsck, "-n", disktest.Carve(t, image, 1)))
	return err == nil
}

func TestFATEditsAreRepeatable(t *testing.T) {
	base := disktest.New(t, disktest.Options{})
	edit := func() [32]byte {
		image := copyOf(t, base)
		editBoot(t, image, map[string]string{"cmdline.txt": "quiet\n", "brand-new-file.txt": "new\n", "overlays/README": "x"})
		return disktest.Digest(t, image)
	}
	first := edit()
	time.Sleep(2100 * time.Millisecond) // FAT counts in steps of two seconds
	if edit() != first {
		t.Error("the same edits at another time made other bytes")
	}
}
