package georep

import (
	"archive/tar"
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const id = ".gfid/11111111-2222-4333-8444-55555555555"

// packed packs a folder's files as gsyncd does.
func packed(t *testing.T, dir string, names ...string) []byte {
	t.Helper()
	cmd := exec.Command("tar", "--sparse", "-cf", "-", "--files-from", "-")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(strings.Join(names, "\n")+"\n")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o640); err != nil {
		t.Fatal(err)
	}
}

func TestFilesComeThroughAsTheyWere(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	big := make([]byte, 5<<20)
	rand.Read(big)
	holes := make([]byte, 40<<20)
	for i := 0; i < len(holes); i += 3 << 20 { // more holes than one head has room for
		copy(holes[i:], "not nothing")
	}
	files := map[string][]byte{id + "0": big, id + "1": {}, id + "2": []byte("short\n"), id + "3": holes}
	var names []string
	for name, data := range files {
		write(t, filepath.Join(from, name), data)
		names = append(names, name)
	}
	if err := exec.Command("fallocate", "--dig-holes", filepath.Join(from, id+"3")).Run(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("tar", "--overwrite", "-xf", "-")
	cmd.Dir, cmd.Stdin = to, FilesOnly(bytes.NewReader(packed(t, from, names...)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(to, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes came of %d, %v", name, len(got), len(want), err)
		}
	}
}

func TestOnlyFilesOfTheVolumeComeThrough(t *testing.T) {
	members := map[string]tar.Header{
		"a file beside the volume":   {Name: "../x", Typeflag: tar.TypeReg},
		"a file of the machine":      {Name: "/tmp/x", Typeflag: tar.TypeReg},
		"a file by its name":         {Name: "index.html", Typeflag: tar.TypeReg},
		"a way out behind an id":     {Name: id + "0/../../x", Typeflag: tar.TypeReg},
		"a link to somewhere else":   {Name: id + "0", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"a second name of a file":    {Name: id + "0", Typeflag: tar.TypeLink, Linkname: "/etc/passwd"},
		"a folder":                   {Name: id + "0", Typeflag: tar.TypeDir},
		"a device":                   {Name: id + "0", Typeflag: tar.TypeChar},
		"a long name with a way out": {Name: strings.Repeat("../", 200) + "tmp/x", Typeflag: tar.TypeReg},
	}
	for what, h := range members {
		var archive bytes.Buffer
		w := tar.NewWriter(&archive)
		good := tar.Header{Name: id + "f", Typeflag: tar.TypeReg, Size: 4, Mode: 0o600}
		if err := w.WriteHeader(&good); err != nil {
			t.Fatal(err)
		}
		w.Write([]byte("good"))
		h.Mode = 0o644
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		w.Close()
		out, err := io.ReadAll(FilesOnly(&archive))
		if err == nil || !strings.Contains(err.Error(), "the archive has ") {
			t.Errorf("%s: %v", what, err)
		}
		if want := 512 + len("good"); len(out) != want { // what fills its block comes with the next head
			t.Errorf("%s: %d bytes came through, want the %d of the file before it", what, len(out), want)
		}
	}
}

func TestWhatIsNoArchiveIsAnError(t *testing.T) {
	if out, err := io.ReadAll(FilesOnly(strings.NewReader(strings.Repeat("noise", 500)))); err == nil || len(out) > 0 {
		t.Errorf("%d bytes came through, %v", len(out), err)
	}
}
