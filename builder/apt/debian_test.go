//go:build apt

package apt

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"pault.ag/go/debian/version"
)

// debianSites are the addresses of the main and the security archive that this
// machine's own apt is set up with.
func debianSites(t testing.TB) (main, security string) {
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
func newWorld(t testing.TB, suite string, archs ...string) *world {
	t.Helper()
	main, security := debianSites(t)
	keys, err := os.ReadFile(archiveKeys)
	if err != nil {
		t.Fatal(err)
	}
	w := newSystem(t, archs, map[string]string{
		archiveKeys: string(keys),
		"/etc/apt/sources.list.d/debian.sources": fmt.Sprintf(
			"Types: deb\nURIs: %s\nSuites: %s %s-updates\nComponents: main contrib non-free-firmware\nSigned-By: %s\n\n"+
				"Types: deb\nURIs: %s\nSuites: %s-security\nComponents: main\nSigned-By: %s\n",
			main, suite, suite, archiveKeys, security, suite, archiveKeys),
		"/etc/os-release":    "ID=debian\nVERSION_CODENAME=" + suite + "\n",
		"/var/lib/dpkg/arch": strings.Join(archs, "\n") + "\n",
		statusPath:           "",
	})
	w.update()
	return w
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

// age makes a part of the status older than the indexes, as the image of a while
// ago is: that part of the source packages gets a lower version, and relations
// among them follow. A package whose relations have to follow is an old one too:
// one version has one set of relations.
func (w *world) age(seed uint64, part float64) {
	w.t.Helper()
	text, err := os.ReadFile(w.dir + statusPath)
	if err != nil {
		w.t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(seed, 0))
	sources := map[string]bool{} // whether they become old
	var all []*ver
	for s := range stanzas(string(text)) {
		v, err := newVer(s)
		if err != nil {
			w.t.Fatal(err)
		}
		if _, ok := sources[v.source]; !ok {
			sources[v.source] = rnd.Float64() < part
		}
		all = append(all, v)
	}
	for grown := true; grown; {
		old := map[string]string{} // package: version that becomes old
		for _, v := range all {
			if sources[v.source] {
				old[v.name] = v.text
			}
		}
		grown = false
		var b strings.Builder
		for _, v := range all {
			aged := v.aged(old)
			if !sources[v.source] && aged != string(v.control)+"\n" {
				sources[v.source], grown = true, true
			}
			b.WriteString(aged + "\n")
		}
		w.write(statusPath, b.String())
	}
}

// aged is the status entry of a package after those became old.
func (v *ver) aged(old map[string]string) string {
	var b strings.Builder
	for key, value := range v.control.fields() {
		switch {
		case key == "Version" && old[v.name] != "":
			value += oldSuffix
		case key == "Depends" || key == "Pre-Depends" || key == "Breaks" || key == "Conflicts":
			value = versioned.ReplaceAllStringFunc(value, func(m string) string { return agedRelation(m, old) })
		}
		fmt.Fprintf(&b, "%s: %s\n", key, value)
	}
	return b.String()
}

var versioned = regexp.MustCompile(`([a-z0-9][a-z0-9.+-]+)((?::any)?) \((<<|<=|=|>=|>>) ([^)]+)\)`)

// agedRelation makes a relation be about the old version where it would hold no
// more, or hold now: the base was sound when it was made.
func agedRelation(text string, old map[string]string) string {
	m := versioned.FindStringSubmatch(text)
	was := old[m[1]]
	if was == "" {
		return text
	}
	bound, err := version.Parse(m[4])
	if err != nil {
		return text
	}
	r := relation{op: m[3], version: bound}
	accepts := func(v string) bool {
		x, err := version.Parse(v)
		return err == nil && r.accepts(x, true)
	}
	if accepts(was) == accepts(was+oldSuffix) {
		return text
	}
	op := map[string]string{"<=": "<<", ">>": ">="}[m[3]]
	if op == "" {
		op = m[3]
	}
	return m[1] + m[2] + " (" + op + " " + was + oldSuffix + ")"
}

// oldSuffix makes a version older than the one it is behind.
const oldSuffix = "~~old"
