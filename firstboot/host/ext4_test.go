package host

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// dumpe2fs is what e2fsprogs reads in the same superblock.
func dumpe2fs(t *testing.T, image string) Ext4 {
	t.Helper()
	out, err := exec.Command("/sbin/dumpe2fs", "-h", image).Output()
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		key, value, _ := strings.Cut(lines.Text(), ":")
		said[key] = strings.TrimSpace(value)
	}
	number := func(key string) int64 {
		n, err := strconv.ParseInt(said[key], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return Ext4{Label: said["Filesystem volume name"], Size: number("Block count") * number("Block size")}
}

func TestExt4ReadsWhatMke2fsWrites(t *testing.T) {
	tests := []struct {
		name string
		args []string
		size int64
	}{
		{"the brick of an image", []string{"-t", "ext4", "-L", "berry-brick"}, 256 << 20},
		{"a label of sixteen bytes", []string{"-t", "ext4", "-L", "sixteen-letters-"}, 64 << 20},
		{"blocks of 1 KiB", []string{"-t", "ext4", "-b", "1024", "-L", "small"}, 16 << 20},
		{"no 64bit feature, as pi-gen makes it", []string{"-t", "ext4", "-O", "^64bit,^huge_file", "-L", "rootfs"}, 64 << 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			image := filepath.Join(t.TempDir(), "image")
			if err := os.WriteFile(image, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(image, tt.size); err != nil {
				t.Fatal(err)
			}
			args := append([]string{"-q", "-F"}, append(tt.args, image)...)
			if out, err := exec.Command("/sbin/mke2fs", args...).CombinedOutput(); err != nil {
				t.Fatalf("mke2fs: %v\n%s", err, out)
			}
			f, err := os.Open(image)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := readExt4(f)
			if want := dumpe2fs(t, image); got != want || err != nil {
				t.Errorf("got %+v, %v; dumpe2fs reads %+v", got, err, want)
			}
		})
	}
}

func TestWhatIsNotExt4IsSaid(t *testing.T) {
	for name, content := range map[string][]byte{
		"nothing":               nil,
		"an extended partition": make([]byte, 1024),
		"zeros":                 make([]byte, 1<<20),
	} {
		if got, err := readExt4(bytes.NewReader(content)); !errors.Is(err, ErrNotExt4) || got != (Ext4{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
