package disk_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/firstboot/host"
)

// widen makes the image and p2 longer; the filesystem in it stays as it is.
func widen(t testing.TB, image string, size int64) disk.Partition {
	t.Helper()
	p := root
	p.Size = size
	table := disk.Table{Signature: disktest.Signature, Partitions: []disk.Partition{boot, p}}
	if err := errors.Join(disk.Grow(image, p.End()), disk.WriteTable(image, table)); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestResize(t *testing.T) {
	for _, suite := range suites {
		base := disktest.New(t, disktest.Options{Suite: suite})
		for name, size := range map[string]int64{
			"by 8 MiB":                        root.Size + 8<<20,
			"by less than lies before p2":     root.Size + 200<<20,
			"by more than lies before p2":     2 << 30,
			"to more groups than a flex_bg":   6 << 30,
			"beyond the reserved descriptors": 400 << 30, // resize2fs moves the orphan file
		} {
			if size > 300<<30 && suite == disktest.Bookworm {
				continue // it takes a minute; what may go wrong there is trixie's orphan file
			}
			t.Run(name+" on "+suite.String(), func(t *testing.T) {
				image := copyOf(t, base)
				p := widen(t, image, size)
				fs4, err := tools(t).OpenExt4(image, p, disktest.Made)
				if err != nil {
					t.Fatal(err)
				}
				if err := fs4.Resize(t.Context(), size); err != nil {
					t.Fatal(err)
				}
				if got := fs4.Superblock().Size(); got != size {
					t.Errorf("the filesystem has %d bytes, want %d", got, size)
				}
				if info, err := os.Stat(image); err != nil || info.Size() != p.End() {
					t.Errorf("the image has %d bytes, want %d", info.Size(), p.End())
				}
				disktest.Judge(t, image)
				if diff := cmp.Diff(treeOf(t, base), treeOf(t, image)); diff != "" {
					t.Errorf("the tree has changed: -before +after:\n%s", diff)
				}
				if left, err := filepath.Glob(filepath.Join(filepath.Dir(image), ".berry-*")); len(left) != 0 || err != nil {
					t.Errorf("left behind: %v", left)
				}
			})
		}
	}
}

// treeOf is the content of some folders, hashed ones among them, by path.
func treeOf(t *testing.T, image string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"/etc", "/usr", "/var"} {
		tree := dumpTree(t, image, dir)
		err := filepath.WalkDir(tree, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				out[dir+strings.TrimPrefix(path, tree)] = mustRead(t, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestResizeIsRepeatable(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			base := disktest.New(t, disktest.Options{Suite: suite})
			grow := func() [32]byte {
				image := copyOf(t, base)
				fs4, err := tools(t).OpenExt4(image, widen(t, image, 1<<30), disktest.Made.Add(time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				if err := fs4.Resize(t.Context(), 1<<30); err != nil {
					t.Fatal(err)
				}
				return disktest.Digest(t, image)
			}
			first := grow()
			time.Sleep(1100 * time.Millisecond)
			if grow() != first {
				t.Error("growing at another time made other bytes")
			}
		})
	}
}

func TestResizeRefuses(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	for name, c := range map[string]struct {
		size int64
		want string
	}{
		"to more than the partition":   {root.Size + 4096, "its partition has only 304 MiB"},
		"to less than it has":          {root.Size - 8<<20, "it has 304 MiB already"},
		"to no whole number of blocks": {root.Size - 100, "no multiple of its block size"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := fs4.Resize(t.Context(), c.size); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	if err := fs4.Resize(t.Context(), root.Size); err != nil {
		t.Errorf("to what it has: %v", err)
	}
	poke(t, image, root.Start+4096+14, "\xff")
	p := widen(t, image, 1<<30)
	damaged, err := tools(t).OpenExt4(image, p, disktest.Made)
	if err != nil {
		t.Fatal(err)
	}
	if err := damaged.Resize(t.Context(), 1<<30); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged filesystem: got %v", err)
	}
}

// stopper cancels when a program is about to start.
type stopper struct {
	host.Exec
	before string
	cancel context.CancelFunc
}

func (s stopper) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if strings.HasSuffix(cmd.Name, s.before) && cmd.Args[0] != "-V" {
		s.cancel()
	}
	return s.Exec.Run(ctx, cmd)
}

func TestAnInterruptedResizeLeavesNoFileBehind(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	tools, err := disk.FindTools(t.Context(), stopper{host.Exec{}, "resize2fs", cancel})
	if err != nil {
		t.Fatal(err)
	}
	fs4, err := tools.OpenExt4(image, widen(t, image, 1<<30), disktest.Made)
	if err != nil {
		t.Fatal(err)
	}
	if err := fs4.Resize(ctx, 1<<30); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(image), ".berry-*")); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v", left)
	}
}
