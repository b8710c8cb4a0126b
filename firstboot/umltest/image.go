package umltest

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// FromImage makes a card of size MiB with an image for amd64 on it that berry has
// built, and these files in its root filesystem. Nothing of the test machine's is
// on it but the modules of User Mode Linux that mount the boot partition: an image
// brings those of its own kernel only.
func FromImage(t testing.TB, image string, size int64, files map[string]File) *Card {
	t.Helper()
	c := newCard(t)
	c.whole = true
	c.tool("", "cp", "--sparse=always", image, c.Path)
	if err := os.Truncate(c.Path, size<<20); err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(filepath.Dir(c.Path), "added")
	defer os.RemoveAll(tree)
	modules(t, tree)
	for name, f := range files {
		put(t, filepath.Join(tree, name), f)
	}
	c.add(tree)
	return c
}

// newCard is a card without a byte on it.
func newCard(t testing.TB) *Card {
	t.Helper()
	dir, err := os.MkdirTemp(memory, "umltest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return &Card{Path: filepath.Join(dir, "card.img"), t: t}
}

// modules puts the kernel's modules for FAT into the tree.
func modules(t testing.TB, tree string) {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/uml/modules/*")
	if err != nil || len(found) != 1 {
		t.Fatalf("want the modules of one User Mode Linux, got %v (%v)", found, err)
	}
	release := filepath.Base(found[0])
	to := filepath.Join(tree, "usr/lib/modules", release)
	script := `set -e; mkdir -p "$2/kernel/fs"; cp -r "$1/kernel/fs/fat" "$1/kernel/fs/nls" "$2/kernel/fs"; cp "$1"/modules.order "$1"/modules.builtin* "$2"
ln -s usr/lib "$4/lib"; depmod -b "$4" "$3"; rm "$4/lib"`
	if out, err := exec.Command("sh", "-c", script, "sh", found[0], to, release, tree).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// add copies a tree into the card's root filesystem, by debugfs. What is there
// already is replaced; folders stay as they are.
func (c *Card) add(tree string) {
	c.t.Helper()
	device := fmt.Sprintf("%s?offset=%d", c.Path, c.Partitions()[1].Start*512)
	var script []string
	err := filepath.WalkDir(tree, func(file string, d os.DirEntry, err error) error {
		name := strings.TrimPrefix(file, tree)
		if err != nil || name == "" {
			return err
		}
		info, err := d.Info()
		switch {
		case err != nil:
		case d.IsDir() && strings.Contains(c.tool("", "debugfs", "-R", "stat "+name, device), "Type: directory"):
			// A mkdir of what is there would leave a damaged filesystem.
		case d.IsDir():
			script = append(script, "mkdir "+name)
		case d.Type() == os.ModeSymlink:
			var target string
			target, err = os.Readlink(file)
			script = append(script, "rm "+name, fmt.Sprintf("symlink %s %s", name, target))
		default:
			script = append(script, "rm "+name, "cd "+path.Dir(name), "write "+file+" "+path.Base(name),
				fmt.Sprintf("sif %s mode 0%o", name, 0o100000|info.Mode().Perm()), "sif "+name+" uid 0", "sif "+name+" gid 0")
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.tool(strings.Join(script, "\n")+"\n", "debugfs", "-w", device)
	c.tool("", "e2fsck", "-fn", device)
}

// Copy makes a second card with the same content.
func (c *Card) Copy(t testing.TB) *Card {
	t.Helper()
	copied := newCard(t)
	copied.whole = c.whole
	copied.tool("", "cp", "--sparse=always", c.Path, copied.Path)
	return copied
}

// RootTree copies all files of the root filesystem into a folder, by debugfs,
// with their owners and modes.
func (c *Contents) RootTree() string {
	t := c.card.t
	t.Helper()
	dir := filepath.Join(filepath.Dir(c.root), "tree")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c.card.tool("", "debugfs", "-R", "rdump / "+dir, c.root)
	names, err := os.ReadDir(dir)
	if err != nil || !slices.ContainsFunc(names, func(d os.DirEntry) bool { return d.Name() == "etc" }) {
		t.Fatalf("debugfs has not copied the files: %v", err)
	}
	return dir
}
