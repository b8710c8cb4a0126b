package disk_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// noTask is a piece of work that nobody watches.
var noTask = progress.None.Start("", 0)

// peek reads n bytes of a file.
func peek(t testing.TB, path string, at int64, n int) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, at); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// poke overwrites bytes of a file.
func poke(t testing.TB, path string, at int64, data string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte(data), at); err != nil {
		t.Fatal(err)
	}
}

// tools is e2fsprogs on this machine.
func tools(t testing.TB) *disk.Tools {
	t.Helper()
	tools, err := disk.FindTools(context.Background(), host.Exec{})
	if err != nil {
		t.Fatal(err)
	}
	return tools
}

// openRoot opens p2 of an image.
func openRoot(t testing.TB, image string) *disk.Ext4 {
	t.Helper()
	fs, err := tools(t).OpenExt4(image, root, disktest.Made)
	if err != nil {
		t.Fatal(err)
	}
	return fs
}

// copyOf is a copy of an image in a folder of its own, for a test to change.
func copyOf(t testing.TB, image string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image.img")
	if err := disk.Copy(context.Background(), path, image, noTask); err != nil {
		t.Fatal(err)
	}
	return path
}
