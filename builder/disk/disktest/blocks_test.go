package disktest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

func TestCutGivesWhatDDGives(t *testing.T) {
	image, dir := New(t, Options{}), t.TempDir()
	for _, c := range []struct{ start, size int64 }{
		{0, 1 << 20}, {bootStart, bootSize}, {rootStart + 512, 10<<20 + 512}, {rootEnd - 4096, 4096},
	} {
		ours, theirs := filepath.Join(dir, "ours"), filepath.Join(dir, "theirs")
		Cut(t, ours, image, c.start, c.size)
		Run(t, "sh", "-c", `tail -c +$(($1 + 1)) "$0" | head -c $2 >"$3"`, image, strconv.FormatInt(c.start, 10), strconv.FormatInt(c.size, 10), theirs)
		if out, err := exec.Command("cmp", ours, theirs).CombinedOutput(); err != nil {
			t.Errorf("%d bytes from %d: %s", c.size, c.start, out)
		}
	}
}

func TestContentsKnowsEveryByteAndNoHole(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, size int64, at int64, text string) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := f.Truncate(size); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := Contents(t, file("sparse", 1<<20, 700_000, "a"))
	if got := Contents(t, file("zeros written", 1<<20, 300_000, string(make([]byte, 400_000))+"a")); got != want {
		t.Error("a file without holes has other contents")
	}
	for name, other := range map[string]string{
		"another byte":  file("byte", 1<<20, 700_000, "b"),
		"another place": file("place", 1<<20, 700_000-blockSize, "a"),
		"another size":  file("size", 1<<20+1, 700_000, "a"),
	} {
		if Contents(t, other) == want {
			t.Errorf("%s: the contents are the same", name)
		}
	}
}
