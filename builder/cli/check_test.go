package cli

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/profiles"
)

// bad is where the bad profiles lie, each with the report that it gets.
const bad = "../../profiles/testdata/bad"

// What profiles tests one by one, a person gets for a whole folder: every report,
// in the order of the names, and exit code 3.
func TestCheckOfAFolderPrintsEveryReport(t *testing.T) {
	dir := t.TempDir()
	want := stageBad(t, dir)
	c := exec.Command("berry", "check", ".")
	if got := run(t, c, dir); got.stderr != want || got.stdout != "" || got.code != exitMistakes {
		t.Errorf("exit code %d, stdout %q, stderr (-want +got):\n%s", got.code, got.stdout, cmp.Diff(want, got.stderr))
	}
	got := run(t, exec.Command("berry", "check", "--json", "."), dir)
	var report profiles.Report
	if err := json.Unmarshal([]byte(got.stdout), &report); err != nil || got.code != exitMistakes {
		t.Fatalf("--json: exit code %d, %v", got.code, err)
	}
	if diff := cmp.Diff(want, report.Error()+"\n"); diff != "" {
		t.Errorf("--json (-want +got):\n%s", diff)
	}
}

// stageBad puts the bad profiles and what they name into dir, and gives all their
// reports.
func stageBad(t *testing.T, dir string) (reports string) {
	t.Helper()
	files, err := filepath.Glob(bad + "/*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	count := 0
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch name := filepath.Base(file); filepath.Ext(name) {
		case ".report":
			reports += string(data)
			count++
		default:
			lay(t, filepath.Join(dir, name), string(data), 0o644)
		}
	}
	if count < 40 {
		t.Errorf("there are %d bad profiles, want 40 or more", count)
	}
	lay(t, filepath.Join(dir, "ddns-password"), "secret of the account\n", 0o600)
	lay(t, filepath.Join(dir, "wifi-password"), "correct horse\n", 0o600)
	return reports
}

// lay writes a file with exactly this mode, whatever the umask.
func lay(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode)); err != nil {
		t.Fatal(err)
	}
}

// ended is what a command left.
type ended struct {
	stdout, stderr string
	code           int
}

// run runs berry in dir with the environment that the bad profiles are made for.
func run(t *testing.T, c *exec.Cmd, dir string) ended {
	t.Helper()
	var stdout, stderr strings.Builder
	c.Dir, c.Stdout, c.Stderr = dir, &stdout, &stderr
	c.Env = append(os.Environ(), "HOME=home", "BERRY_SET=set", "BERRY_PLAIN=hunter2", "BERRY_SHORT=seven77", "BERRY_LINES=two\nlines")
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return ended{stdout.String(), stderr.String(), c.ProcessState.ExitCode()}
}
