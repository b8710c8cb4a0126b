package disktest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"berries/builder/disk"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// command is a program, found where an ordinary user's PATH may not lead.
func command(t testing.TB, program string, args ...string) host.Cmd {
	t.Helper()
	path, err := disk.LookPath(program)
	if err != nil {
		t.Fatalf("%v (the tests need dosfstools, mtools, fdisk and e2fsprogs)", err)
	}
	cmd := host.Command(path, args...)
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC", "MTOOLS_SKIP_CHECK=1"}
	return cmd
}

// Run runs a program and returns what it printed to standard output. The test
// ends when the program is absent or fails.
func Run(t testing.TB, program string, args ...string) string {
	t.Helper()
	cmd := command(t, program, args...)
	res, err := host.Exec{}.Run(context.Background(), cmd)
	if err != nil {
		t.Fatalf("%v\n%s", err, res.Stdout)
	}
	return string(res.Stdout)
}

// Digest is the checksum of a file.
func Digest(t testing.TB, path string) [sha256.Size]byte {
	t.Helper()
	b, err := disk.MakeBmap(context.Background(), path, nil, progress.None.Start("", 0))
	if err != nil {
		t.Fatal(err)
	}
	return b.ImageSHA256
}

// Carve copies partition n of an image into a file of its own, for programs
// that know no offsets.
func Carve(t testing.TB, image string, n int) string {
	t.Helper()
	p := partition(t, image, n)
	path := filepath.Join(t.TempDir(), fmt.Sprintf("p%d.img", n))
	if err := disk.Extract(context.Background(), path, image, p); err != nil {
		t.Fatal(err)
	}
	return path
}

func partition(t testing.TB, image string, n int) disk.Partition {
	t.Helper()
	table, err := disk.ReadTable(image)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := table.Partition(n)
	if !ok {
		t.Fatalf("%s has no partition %d", image, n)
	}
	return p
}

// Judge has foreign programs judge an image: sfdisk the table, fsck.vfat the
// boot partition, e2fsck all others. The test ends at the first complaint.
func Judge(t testing.TB, image string) {
	t.Helper()
	Run(t, "sfdisk", "-V", image)
	boot := Carve(t, image, 1)
	Run(t, "fsck.vfat", "-n", boot)
	if err := os.Remove(boot); err != nil {
		t.Fatal(err)
	}
	table, err := disk.ReadTable(image)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range table.Partitions {
		if p.Number > 1 {
			Run(t, "e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", image, p.Start))
		}
	}
}
