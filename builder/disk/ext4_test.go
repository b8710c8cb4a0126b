package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/firstboot/host"
)

// sameInfo compares what a caller can see of two Infos.
var sameInfo = cmpopts.IgnoreUnexported(disk.Info{})

func TestOpenExt4Refuses(t *testing.T) {
	for name, c := range map[string]struct {
		fault disktest.Fault
		want  string
	}{
		"a filesystem not unmounted":       {disktest.Dirty, "not unmounted cleanly; download the image again, or repair it with: e2fsck -fy"},
		"a journal not replayed":           {disktest.NeedsRecovery, "needs_recovery"},
		"a feature from the future":        {disktest.UnknownFeature, "FEATURE_C0x40000000 are not known here; give a Raspberry Pi OS image"},
		"a partition without a filesystem": {disktest.NoTable, "holds no ext4 filesystem; give a Raspberry Pi OS image"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tools(t).OpenExt4(disktest.New(t, disktest.Options{Fault: c.fault}), root, disktest.Made)
			var refusal *disk.Refusal
			if !errors.As(err, &refusal) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want a refusal with %q", err, c.want)
			}
		})
	}
	image := disktest.New(t, disktest.Options{})
	small := root
	small.Size /= 2
	if _, err := tools(t).OpenExt4(image, small, disktest.Made); err == nil || !strings.Contains(err.Error(), "its partition only") {
		t.Errorf("a partition that ends too early: got %v", err)
	}
	if _, err := tools(t).OpenExt4(image, root, time.Unix(-1, 0)); err == nil {
		t.Error("a time before 1970 was taken")
	}
}

func TestWithoutATimeAFilesystemIsOnlyRead(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	before := disktest.Digest(t, image)
	fs4, err := tools(t).OpenExt4(image, root, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fs4.ReadFiles(t.Context(), "/etc/hostname"); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"write":  fs4.Write(t.Context(), []disk.Entry{{Path: "/etc/x"}}),
		"remove": fs4.Remove(t.Context(), "/etc/hostname"),
		"rename": fs4.Rename(t.Context(), "/home/pi", "/home/berry"),
		"grow":   fs4.Resize(t.Context(), root.Size),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if disktest.Digest(t, image) != before {
		t.Error("the image has changed")
	}
}

func TestSuperblock(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			image := disktest.New(t, disktest.Options{Suite: suite})
			got := openRoot(t, image).Superblock()
			says := disktest.Run(t, "dumpe2fs", "-h", device(image, root))
			for field, want := range map[string]string{
				"Filesystem volume name": got.Label,
				"Filesystem UUID":        got.UUID,
				"Block size":             fmt.Sprint(got.BlockSize),
				"Block count":            fmt.Sprint(got.Blocks),
				"Free blocks":            fmt.Sprint(got.FreeBlocks),
				"Inode size":             fmt.Sprint(got.InodeSize),
			} {
				if value := fieldOf(says, field); value != want {
					t.Errorf("%s: we say %q, dumpe2fs says %q", field, want, value)
				}
			}
			sorted := cmpopts.SortSlices(func(a, b string) bool { return a < b })
			if diff := cmp.Diff(strings.Fields(fieldOf(says, "Filesystem features")), got.Features, sorted); diff != "" {
				t.Errorf("features: -dumpe2fs +ours:\n%s", diff)
			}
		})
	}
}

// device is a partition as e2fsprogs names it.
func device(image string, p disk.Partition) string {
	return fmt.Sprintf("%s?offset=%d", image, p.Start)
}

// fieldOf finds a line such as "Block size:   4096" in what dumpe2fs prints.
func fieldOf(text, field string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func TestStatReadAndList(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	got, err := fs4.Stat(t.Context(), "/etc/shadow", "/home/pi", "/etc/localtime", "/etc/nothing", "/bin/nothing", "/tmp")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]disk.Info{
		"/etc/shadow":    {Kind: disk.File, Mode: 0o640, GID: 42, Size: 78},
		"/home/pi":       {Kind: disk.Dir, Mode: 0o700, UID: 1000, GID: 1000, Size: 4096},
		"/etc/localtime": {Kind: disk.Symlink, Mode: 0o777, Size: 33, Target: "/usr/share/zoneinfo/Europe/London"},
		"/tmp":           {Kind: disk.Dir, Mode: 0o1777, Size: 4096},
	}
	if diff := cmp.Diff(want, got, sameInfo); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	files, err := fs4.ReadFiles(t.Context(), "/etc/hostname", "/lib/os-release", "/var/lib/dpkg/info/bash.md5sums")
	if err != nil {
		t.Fatal(err)
	}
	if string(files["/etc/hostname"]) != "raspberrypi\n" || !strings.Contains(string(files["/lib/os-release"]), "trixie") || len(files["/var/lib/dpkg/info/bash.md5sums"]) != 0 {
		t.Errorf("got %q", files)
	}
	names, err := fs4.List(t.Context(), "/home/pi")
	if diff := cmp.Diff([]string{".bash_logout", ".bashrc", ".config", ".profile"}, names); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
	if names, err := fs4.List(t.Context(), "/"); err != nil || len(names) < 10 {
		t.Errorf("the root: got %v, %v", names, err)
	}
	if units, err := fs4.List(t.Context(), "/usr/lib/systemd/system"); err != nil || len(units) < 300 {
		t.Errorf("a hashed folder: got %d names, %v", len(units), err)
	}
}

func TestReadRefuses(t *testing.T) {
	fs4 := openRoot(t, disktest.New(t, disktest.Options{}))
	for name, c := range map[string]struct{ path, want string }{
		"what is not there":     {"/etc/nothing", "file does not exist"},
		"a symlink":             {"/etc/localtime", "is a symlink to /usr/share/zoneinfo/Europe/London"},
		"a folder":              {"/etc", "is a folder"},
		"a relative path":       {"etc/hostname", "not an absolute, plain path"},
		"a path with dots":      {"/etc/../etc/hostname", "not an absolute, plain path"},
		"an inode number":       {"<12>", "not an absolute, plain path"},
		"below a file":          {"/etc/hostname/x", "not a directory"},
		"a name of two lines":   {"/etc/a\nrm /etc/hostname", "line break"},
		"a path without an end": {"/" + strings.Repeat("long/", 300) + "x", "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fs4.ReadFiles(t.Context(), "/etc/hostname", c.path)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if _, err := fs4.ReadFiles(t.Context(), "/etc/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is not there: got %v, want fs.ErrNotExist", err)
	}
	if _, err := fs4.List(t.Context(), "/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: got %v, want fs.ErrNotExist", err)
	}
	if _, err := fs4.List(t.Context(), "/etc/hostname"); err == nil {
		t.Error("a file was listed")
	}
}

// thenInterrupts runs programs, and calls interrupt when one has ended.
type thenInterrupts struct{ interrupt func() }

func (r *thenInterrupts) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	defer r.interrupt()
	return host.Exec{}.Run(ctx, cmd)
}

func TestAnInterruptionBehindTheLastProgramTakesNothingBack(t *testing.T) {
	run := &thenInterrupts{func() {}}
	tools, err := disk.FindTools(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	fs4, err := tools.OpenExt4(disktest.New(t, disktest.Options{}), root, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, interrupt := context.WithCancel(t.Context())
	run.interrupt = interrupt
	info, err := fs4.Stat(ctx, "/etc/hostname")
	if err != nil || info["/etc/hostname"].Kind != disk.File || ctx.Err() == nil {
		t.Errorf("got %v, %v", info, err)
	}
}

func TestExt4CheckSaysWhatIsWrong(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	if err := fs4.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	poke(t, image, root.Start+4096+14, "\xff") // the free inodes of the first group
	if err := fs4.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "checksums are invalid") {
		t.Errorf("got %v, want e2fsck's words", err)
	}
}

// dumpTree copies a folder of the root filesystem out with debugfs, all at once.
func dumpTree(t testing.TB, image, dir string) string {
	t.Helper()
	out := t.TempDir()
	disktest.Run(t, "debugfs", "-R", fmt.Sprintf("rdump %s %s", dir, out), device(image, root))
	return filepath.Join(out, filepath.Base(dir))
}

// mustRead reads a file on this machine.
func mustRead(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
