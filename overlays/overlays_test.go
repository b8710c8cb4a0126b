package overlays

import (
	"io/fs"
	"strings"
	"testing"
)

// Every file of a tree must be in its manifest, or it would be forgotten
// without a word; the other way round, Common itself fails.
func TestEveryFileOfTheTreeIsInItsManifest(t *testing.T) {
	files, err := Common()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"common/manifest": true}
	for _, f := range files {
		listed["common"+f.Path] = true
		if f.Link == "" && len(f.Data) == 0 {
			t.Errorf("%s is empty", f.Path)
		}
	}
	err = fs.WalkDir(trees, "common", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !listed[path] {
			t.Errorf("%s is not in common/manifest", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMalformedManifestLineIsAnError(t *testing.T) {
	for _, line := range []string{"0644", "link /a", "0999 /manifest", "0644 /no/such/file"} {
		if f, err := entry("common", strings.Fields(line)); err == nil {
			t.Errorf("%q: got %+v, want an error", line, f)
		}
	}
}

func TestAnArchitectureThatIsNotCarriedIsNamed(t *testing.T) {
	_, err := Firstboot("riscv64")
	if err == nil || !strings.Contains(err.Error(), "riscv64") {
		t.Errorf("got %v, want an error that names riscv64", err)
	}
}
