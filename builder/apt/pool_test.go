package apt

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/builder/apt/apttest"
)

// pooled makes a mirror, locks a and what it needs, and gives the pool of it
// with the list it was made of.
func pooled(t *testing.T) (*Pool, []Package, []string) {
	t.Helper()
	m := apttest.New(t, apttest.Options{Debs: archive})
	w := newWork(t, m)
	checkErr(t, w.lock(t.Context()), "")
	l, err := ReadLock(w.Path)
	checkErr(t, err, "")
	list, err := l.For("storage")
	checkErr(t, err, "")
	paths, err := Fetch(t.Context(), w.options(), list)
	checkErr(t, err, "")
	pool, err := NewPool(list, paths)
	checkErr(t, err, "")
	return pool, list, paths
}

// lay writes a pool into a folder, as it comes to lie in an image.
func (p *Pool) lay(t *testing.T, dir string) {
	t.Helper()
	checkErr(t, os.MkdirAll(dir, 0o755), "")
	checkErr(t, os.WriteFile(filepath.Join(dir, "Packages"), p.Index, 0o644), "")
	for _, f := range p.Files {
		data, err := os.ReadFile(f.Path)
		checkErr(t, err, "")
		checkErr(t, os.WriteFile(filepath.Join(dir, f.Name), data, 0o644), "")
	}
}

// TestAptInstallsFromPool has apt itself read a pool, resolve with it and take
// every file out of it, without a network and without a Release file.
func TestAptInstallsFromPool(t *testing.T) {
	pool, list, _ := pooled(t)
	m := apttest.New(t, apttest.Options{})
	files := m.Base()
	delete(files, apttest.SourcesPath) // the pool alone
	w := newSystem(t, []string{"arm64"}, files)
	dir := filepath.Join(w.dir, "pool")
	pool.lay(t, dir)
	w.write("/etc/apt/sources.list", "deb [trusted=yes] file:"+dir+" ./\n")
	w.update()
	got := w.simulate(lean, "a")
	if diff := cmp.Diff(ids(list), got.install); diff != "" || got.failed {
		t.Errorf("apt would install (-want +got):\n%s\n%s", diff, got.out)
	}
	// Unlike -s, this checks sizes and SHA-256 of the files.
	if out, err := w.apt("-y", "--download-only", "-o", "Debug::NoLocking=1", "--no-install-recommends", "install", "a"); err != nil {
		t.Errorf("apt cannot take the packages: %v\n%s", err, out)
	}
	checkErr(t, os.WriteFile(filepath.Join(dir, "a_1.0-1_arm64.deb"), []byte("something else"), 0o644), "")
	if out, err := w.apt("-y", "--download-only", "-o", "Debug::NoLocking=1", "--no-install-recommends", "install", "a"); err == nil {
		t.Errorf("apt takes a file that is not the index's:\n%s", out)
	}
}

// TestPoolIsTheSameEverywhere makes a pool in another order and folder.
func TestPoolIsTheSameEverywhere(t *testing.T) {
	pool, list, paths := pooled(t)
	for i := range paths {
		elsewhere := filepath.Join(t.TempDir(), "x")
		checkErr(t, exec.Command("cp", paths[i], elsewhere).Run(), "")
		paths[i] = elsewhere
	}
	list[0], list[2], paths[0], paths[2] = list[2], list[0], paths[2], paths[0]
	again, err := NewPool(list, paths)
	checkErr(t, err, "")
	if diff := cmp.Diff(string(pool.Index), string(again.Index)); diff != "" {
		t.Errorf("index (-first +second):\n%s", diff)
	}
}

// TestPoolIndexIsDpkgs compares what the index says with what dpkg-deb reads in
// the files.
func TestPoolIndexIsDpkgs(t *testing.T) {
	pool, _, _ := pooled(t)
	var got []string
	for s := range stanzas(string(pool.Index)) {
		got = append(got, s.field("Package")+" "+s.field("Version")+" "+s.field("Depends")+" "+s.field("Description"))
	}
	var want []string
	for _, f := range pool.Files {
		out, err := exec.Command("dpkg-deb", "-W", "--showformat=${Package} ${Version} ${Depends} ${Description}", f.Path).Output()
		checkErr(t, err, "")
		want = append(want, string(out))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index (-dpkg +ours):\n%s", diff)
	}
}

func TestNewPoolRefuses(t *testing.T) {
	other := func(change func(*Package)) func([]Package, []string) {
		return func(list []Package, _ []string) { change(&list[0]) }
	}
	file := func(text string) func([]Package, []string) {
		return func(_ []Package, paths []string) { checkErr(t, os.WriteFile(paths[0], []byte(text), 0o644), "") }
	}
	ar := func(member, size string) string {
		return "!<arch>\n" + member + strings.Repeat(" ", 16-len(member)) + "0           0     0     100644  " + size + strings.Repeat(" ", 10-len(size)) + "`\n"
	}
	tests := map[string]struct {
		change func([]Package, []string)
		err    string
	}{
		"another name":               {other(func(p *Package) { p.Name = "b" }), `cannot put b 1.0-1 (arm64) into the pool: the file's Package is "a"`},
		"another version":            {other(func(p *Package) { p.Version = "1.0-2" }), `the file's Version is "1.0-1"`},
		"another architecture":       {other(func(p *Package) { p.Arch = "all" }), `the file's Architecture is "arm64"`},
		"a name that leads away":     {other(func(p *Package) { p.Name = "../a" }), "its name or version is not as Debian has them"},
		"another size":               {other(func(p *Package) { p.Size++ }), "remove it, so that it is downloaded again"},
		"no file":                    {func(_ []Package, paths []string) { checkErr(t, os.Remove(paths[0]), "") }, "no such file or directory"},
		"an empty file":              {file(""), "cannot read "},
		"a web page":                 {file("<html>not here</html>"), "cannot read "},
		"an archive without members": {file("!<arch>\n"), "it has no control data"},
		"an archive that goes back":  {file(ar("debian-binary", "-60")), "it is no package file"},
		"an archive that is cut off": {file(ar("control.tar.xz", "999")), "cannot read "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, list, paths := pooled(t)
			checkErr(t, os.Chmod(paths[0], 0o644), "")
			tt.change(list, paths)
			_, err := NewPool(list, paths)
			checkErr(t, err, tt.err)
		})
	}
}

// FuzzReadControl wants no package file to bring a panic or an endless loop.
func FuzzReadControl(f *testing.F) {
	for _, d := range archive[:2] {
		f.Add(d.Bytes(f))
	}
	f.Add([]byte("!<arch>\ncontrol.tar     0           0     0     100644  -60       `\n"))
	f.Fuzz(func(t *testing.T, deb []byte) {
		path := filepath.Join(t.TempDir(), "x.deb")
		checkErr(t, os.WriteFile(path, deb, 0o644), "")
		if s, err := readControl(path); err == nil && strings.Contains(string(s), "\n\n") {
			t.Errorf("got several paragraphs: %q", s)
		}
	})
}
