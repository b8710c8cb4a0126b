package apt

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// world is a directory that apt takes for the root of a system and that is
// read as a base here: both judge the same files.
type world struct {
	t   testing.TB
	dir string
}

// newSystem sets up a system with these files.
func newSystem(t testing.TB, archs []string, files map[string]string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	for path, text := range files {
		w.write(path, text)
	}
	w.write("/apt.conf", fmt.Sprintf("Dir %q;\nDir::State::status %q;\nAPT::Architecture %q;\nAPT::Architectures { %s };\n"+
		"APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAcquire::http::Proxy::127.0.0.1 \"DIRECT\";\nAPT::Get::Show-User-Simulation-Note \"no\";\n",
		w.dir+"/", w.dir+statusPath, archs[0], `"`+strings.Join(archs, `"; "`)+`";`))
	for _, d := range []string{"/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial", "/etc/apt/apt.conf.d", "/etc/apt/preferences.d", "/etc/apt/trusted.gpg.d"} {
		if err := os.MkdirAll(w.dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// update has apt fetch the indexes.
func (w *world) update() {
	w.t.Helper()
	if out, err := w.apt("update"); err != nil {
		w.t.Fatalf("apt-get update: %v\n%s", err, out)
	}
}

// dirRoot reads a base from a directory.
type dirRoot string

func (d dirRoot) ReadFile(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(d), path))
}

func (d dirRoot) ReadDir(path string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(string(d), path))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (w *world) write(path, text string) {
	w.t.Helper()
	full := filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) apt(args ...string) (string, error) {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+w.dir+"/apt.conf", "LC_ALL=C.UTF-8")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// verdict is what apt would do.
type verdict struct {
	install []string // "name version arch", sorted
	remove  []string
	failed  bool
	out     string
}

var instLine = regexp.MustCompile(`(?m)^Inst ([^ ]+) (?:\[[^]]*\] )?\(([^ ]+) .*\[([^]]+)\]\)`)
var remvLine = regexp.MustCompile(`(?m)^Remv ([^ ]+)`)

// simulate asks apt what installing the names would do.
func (w *world) simulate(args []string, names ...string) verdict {
	w.t.Helper()
	out, err := w.apt(slices.Concat([]string{"-s", "-q", "install"}, args, names)...)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	v := verdict{failed: err != nil, out: out}
	for _, m := range instLine.FindAllStringSubmatch(out, -1) {
		name, _, _ := strings.Cut(m[1], ":")
		v.install = append(v.install, name+" "+m[2]+" "+m[3])
	}
	for _, m := range remvLine.FindAllStringSubmatch(out, -1) {
		v.remove = append(v.remove, m[1])
	}
	slices.Sort(v.install)
	return v
}
