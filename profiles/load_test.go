package profiles

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the expected reports and clusters anew")

// environment is what the profiles in testdata find outside themselves.
func environment(home string) Env {
	variables := map[string]string{
		"BERRY_SET":   "set",
		"BERRY_PLAIN": "hunter2",
		"BERRY_SHORT": "seven77",
		"BERRY_LINES": "two\nlines",
		"BERRY_DDNS":  "token",
		"BERRY_HASH":  "$5$saltsalt$0IyaXrmV7.sGNS6tirgqHLqX/G.FBvgkYA.lpPdS5sA",
	}
	return Env{Getenv: func(name string) string { return variables[name] }, HomeDir: home}
}

// stage copies the files of a folder to a temporary one, so that their modes
// do not depend on how the tree was checked out, adds the files that profiles
// need and the tree must not have, and makes it the current directory.
func stage(t *testing.T, folder string) {
	t.Helper()
	dir := t.TempDir()
	files, err := filepath.Glob(folder + "/*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", folder, err)
	}
	for _, file := range files {
		if filepath.Ext(file) != ".report" && filepath.Ext(file) != ".json" {
			write(t, filepath.Join(dir, filepath.Base(file)), read(t, file), 0o644)
		}
	}
	key := read(t, "testdata/bad/id.pub")
	write(t, filepath.Join(dir, "id.pub"), key, 0o644)
	write(t, filepath.Join(dir, ".ssh/id.pub"), key, 0o644)
	write(t, filepath.Join(dir, "ddns-password"), "secret of the account\n", 0o600)
	write(t, filepath.Join(dir, "wifi-password"), "correct horse\r\n", 0o600)
	t.Chdir(dir)
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// golden compares got with the file at path, or writes it there.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		write(t, path, got, 0o644)
		return
	}
	if diff := cmp.Diff(read(t, path), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(path), diff)
	}
}

// absolute gives the path of a folder of this package, whatever the current
// directory will be.
func absolute(t *testing.T, folder string) string {
	t.Helper()
	path, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func profilesIn(t *testing.T, folder string) []string {
	t.Helper()
	files, err := filepath.Glob(folder + "/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBadProfilesAreReported(t *testing.T) {
	source := absolute(t, "testdata/bad")
	stage(t, source)
	files := profilesIn(t, ".")
	if len(files) < 45 {
		t.Errorf("got %d bad profiles, want at least 45", len(files))
	}
	for _, file := range files {
		t.Run(file, func(t *testing.T) {
			c, err := Load(file, environment("home"))
			var report Report
			if !errors.As(err, &report) || len(report) == 0 || c != nil {
				t.Fatalf("got cluster %v and error %v, want a report alone", c, err)
			}
			got := report.Error() + "\n"
			golden(t, filepath.Join(source, strings.TrimSuffix(file, ".yaml")+".report"), got)
			for _, secret := range []string{"hunter2", "correct horse", "raspberry\"", "bm90IGEga2V5"} {
				if strings.Contains(got, secret) {
					t.Errorf("the report gives away %q", secret)
				}
			}
		})
	}
}

func TestGoodProfilesBecomeClusters(t *testing.T) {
	for _, folder := range []string{"testdata/good", "clusters"} {
		source := absolute(t, folder)
		t.Run(folder, func(t *testing.T) {
			expected := absolute(t, "testdata/good")
			stage(t, source)
			for _, file := range profilesIn(t, ".") {
				c, err := Load(file, environment("."))
				if err != nil {
					t.Errorf("cannot load %s:\n%v", file, err)
					continue
				}
				dump, err := json.MarshalIndent(c, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, filepath.Join(expected, strings.TrimSuffix(file, ".yaml")+".json"), string(dump)+"\n")
			}
		})
	}
}
