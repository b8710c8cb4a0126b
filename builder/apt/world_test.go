//go:build apt

package apt

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
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
	t    *testing.T
	dir  string
	arch string
	conf string
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

// debianSites are the addresses of the main and the security archive that this
// machine's own apt is set up with.
func debianSites(t *testing.T) (main, security string) {
	t.Helper()
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian").Output()
	if err != nil {
		t.Fatalf("apt-get indextargets: %v", err)
	}
	for _, uri := range strings.Fields(string(out)) {
		if strings.Contains(uri, "security") {
			security = uri
		} else {
			main = uri
		}
	}
	if main == "" || security == "" {
		t.Fatalf("this machine's apt has no Debian sources: %s", out)
	}
	return main, security
}

const archiveKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// newWorld sets up a system of a suite with nothing installed, its indexes
// fetched by apt.
func newWorld(t *testing.T, suite string, archs ...string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), arch: archs[0]}
	main, security := debianSites(t)
	keys, err := os.ReadFile(archiveKeys)
	if err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		archiveKeys: string(keys),
		"/etc/apt/sources.list.d/debian.sources": fmt.Sprintf(
			"Types: deb\nURIs: %s\nSuites: %s %s-updates\nComponents: main contrib non-free-firmware\nSigned-By: %s\n\n"+
				"Types: deb\nURIs: %s\nSuites: %s-security\nComponents: main\nSigned-By: %s\n",
			main, suite, suite, archiveKeys, security, suite, archiveKeys),
		"/etc/os-release":      "ID=debian\nVERSION_CODENAME=" + suite + "\n",
		"/var/lib/dpkg/arch":   strings.Join(archs, "\n") + "\n",
		"/var/lib/dpkg/status": "",
		"/apt.conf": fmt.Sprintf("Dir %q;\nDir::State::status %q;\nAPT::Architecture %q;\nAPT::Architectures { %s };\n"+
			"APT::Sandbox::User \"\";\nAcquire::Languages \"none\";\nAPT::Get::Show-User-Simulation-Note \"no\";\n",
			w.dir+"/", w.dir+"/var/lib/dpkg/status", archs[0], `"`+strings.Join(archs, `"; "`)+`";`),
	} {
		w.write(path, text)
	}
	for _, d := range []string{"/var/lib/apt/lists/partial", "/var/cache/apt/archives/partial", "/etc/apt/apt.conf.d", "/etc/apt/preferences.d", "/etc/apt/trusted.gpg.d"} {
		if err := os.MkdirAll(w.dir+d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := w.apt("update"); err != nil {
		t.Fatalf("apt-get update: %v\n%s", err, out)
	}
	return w
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

// lists are the indexes that apt fetched.
func (w *world) lists() []string {
	w.t.Helper()
	files, err := filepath.Glob(w.dir + "/var/lib/apt/lists/*_Packages")
	if err != nil || len(files) == 0 {
		w.t.Fatalf("apt left no indexes: %v", err)
	}
	var texts []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			w.t.Fatal(err)
		}
		texts = append(texts, string(b))
	}
	return texts
}

// installs writes a dpkg status in which what apt would install for the names
// is installed.
func (w *world) installs(args []string, names ...string) {
	w.t.Helper()
	w.write(statusPath, "")
	v := w.simulate(args, names...)
	if v.failed {
		w.t.Fatalf("apt cannot make up the base: %s", v.out)
	}
	byID := map[string]stanza{}
	for _, text := range w.lists() {
		for s := range stanzas(text) {
			byID[s.field("Package")+" "+s.field("Version")+" "+s.field("Architecture")] = s
		}
	}
	var status strings.Builder
	for _, id := range v.install {
		s, ok := byID[id]
		if !ok {
			w.t.Fatalf("no index has %s", id)
		}
		status.WriteString(asInstalled(s))
	}
	w.write(statusPath, status.String())
}

// asInstalled is the entry of dpkg's status for a package of an index.
func asInstalled(s stanza) string {
	var b strings.Builder
	for key, value := range s.fields() {
		switch key {
		case "Filename", "Size", "MD5sum", "SHA256", "Description-md5", "Tag", "Section-x":
			continue
		}
		fmt.Fprintf(&b, "%s: %s\n", key, value)
		if key == "Package" {
			b.WriteString("Status: install ok installed\n")
		}
	}
	return b.String() + "\n"
}

// age makes a part of the status older than the indexes: packages of every
// nth source get a lower version, and relations among them follow.
func (w *world) age(seed uint64, part float64) {
	w.t.Helper()
	text, err := os.ReadFile(w.dir + statusPath)
	if err != nil {
		w.t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	old := map[string]string{} // package: version that becomes old
	choice := map[string]bool{}
	for s := range stanzas(string(text)) {
		v, err := newVer(s)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, ok := choice[v.source]; !ok {
			choice[v.source] = rnd.Float64() < part
		}
		if choice[v.source] {
			old[v.name] = v.text
		}
	}
	aged := regexp.MustCompile(`([a-z0-9][a-z0-9.+-]+)(:any)? \((=|>=) ([^)]+)\)`).ReplaceAllStringFunc(string(text), func(m string) string {
		name, _, _ := strings.Cut(m, " ")
		name, _, _ = strings.Cut(name, ":")
		if v := old[name]; v != "" && strings.HasSuffix(m, " "+v+")") {
			return strings.TrimSuffix(m, ")") + "~~old)"
		}
		return m
	})
	var b strings.Builder
	for s := range stanzas(aged) {
		name := s.field("Package")
		for key, value := range s.fields() {
			if key == "Version" && old[name] != "" {
				value += "~~old"
			}
			fmt.Fprintf(&b, "%s: %s\n", key, value)
		}
		b.WriteString("\n")
	}
	w.write(statusPath, b.String())
}
