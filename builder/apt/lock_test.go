package apt

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/profiles"
)

// goodLock is a lock with everything in it that there can be.
func goodLock() *Lock {
	sha := func(c string) string { return strings.Repeat(c, 64) }
	return &Lock{
		Base:  LockedBase{Origin: "raspios-trixie-arm64-lite", URL: "https://example.org/raspios.img.xz", SHA256: sha("a")},
		Suite: "trixie", Arch: "arm64",
		Roles: map[string]LockedRole{
			"storage":  {Install: []string{"apache2", "rsync"}, Packages: []string{"apache2", "libc6:armhf", "rsync"}},
			"balancer": {Install: []string{"apache2"}, Packages: []string{"apache2"}},
			"nothing":  {Install: []string{}, Packages: []string{}},
		},
		Packages: []Package{
			{Name: "apache2", Version: "2.4.65-2", Arch: "arm64", URL: "http://deb.example.org/debian/pool/a.deb", SHA256: sha("b"), Size: 1234, InstalledSize: 4096},
			{Name: "libc6", Version: "2:30", Arch: "armhf", URL: "http://deb.example.org/debian/pool/c.deb", SHA256: sha("c"), Size: 1, InstalledSize: 0},
			{Name: "rsync", Version: "1.0", Arch: "all", URL: "http://deb.example.org/debian/pool/r.deb", SHA256: sha("d"), Size: 99, InstalledSize: 1, Installed: "0.9~rc1+b2"},
		},
	}
}

const goodLockText = lockHead + `version: 1
base:
  origin: raspios-trixie-arm64-lite
  url: https://example.org/raspios.img.xz
  sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
suite: trixie
arch: arm64
roles:
  balancer:
    install: [apache2]
    packages:
      - apache2
  nothing:
    install: []
    packages: []
  storage:
    install: [apache2, rsync]
    packages:
      - apache2
      - libc6:armhf
      - rsync
packages:
  - name: apache2
    version: 2.4.65-2
    arch: arm64
    url: http://deb.example.org/debian/pool/a.deb
    sha256: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
    size: 1234
    installed_size: 4096
  - name: libc6
    version: "2:30"
    arch: armhf
    url: http://deb.example.org/debian/pool/c.deb
    sha256: cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc
    size: 1
    installed_size: 0
  - name: rsync
    version: "1.0"
    arch: all
    url: http://deb.example.org/debian/pool/r.deb
    sha256: dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd
    size: 99
    installed_size: 1
    replaces: 0.9~rc1+b2
`

func TestLockRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berries.lock.yaml")
	checkErr(t, goodLock().Write(path), "")
	text, err := os.ReadFile(path)
	checkErr(t, err, "")
	if diff := cmp.Diff(goodLockText, string(text)); diff != "" {
		t.Errorf("file (-want +got):\n%s", diff)
	}
	got, err := ReadLock(path)
	checkErr(t, err, "")
	if diff := cmp.Diff(goodLock(), got); diff != "" {
		t.Errorf("lock (-want +got):\n%s", diff)
	}
}

func TestLockFor(t *testing.T) {
	l := goodLock()
	list, err := l.For("storage")
	checkErr(t, err, "")
	if diff := cmp.Diff(l.Packages, list); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	_, err = l.For("remote")
	checkErr(t, err, "the lock has no role remote: type berry lock")
	l.Packages = l.Packages[1:]
	_, err = l.For("balancer")
	checkErr(t, err, "the lock's role balancer has apache2, which the lock has no package for: type berry lock")
}

func TestLockFits(t *testing.T) {
	good := strings.Repeat("a", 64)
	tests := map[string]struct {
		sha256 string
		roles  map[string][]string
		err    string
	}{
		"the same":          {good, map[string][]string{"storage": {"rsync", "apache2", "rsync"}, "balancer": {"apache2"}}, ""},
		"fewer roles":       {good, map[string][]string{"balancer": {"apache2"}}, ""},
		"another base":      {strings.Repeat("b", 64), nil, "the lock is of another base (raspios-trixie-arm64-lite with SHA-256 aaaa"},
		"a new role":        {good, map[string][]string{"remote": {"ddclient"}}, "the lock's role remote installs nothing, and the build wants ddclient: type berry lock"},
		"one more package":  {good, map[string][]string{"balancer": {"apache2", "rsync"}}, "the lock's role balancer installs apache2, and the build wants apache2, rsync: type berry lock"},
		"one package fewer": {good, map[string][]string{"storage": {"apache2"}}, "the lock's role storage installs apache2, rsync, and the build wants apache2: type berry lock"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { checkErr(t, goodLock().Fits(tt.sha256, tt.roles), tt.err) })
	}
}

// TestReadLockRefuses changes one place of a good lock.
func TestReadLockRefuses(t *testing.T) {
	tests := map[string]struct{ old, new, want string }{
		"an unknown key":                  {"suite: trixie", "suite: trixie\ncodename: x", "10:1: codename: is not a key of a lock"},
		"an unknown key of a package":     {"    size: 99", "    size: 99\n    md5: x", "46:5: packages[2].md5: is not a key of a lock"},
		"a missing key":                   {"suite: trixie\n", "", "4:1: suite: is missing"},
		"a missing key of a package":      {"    size: 99\n", "", "40:5: packages[2].size: is missing"},
		"a key that is there twice":       {"suite: trixie", "suite: trixie\nsuite: trixie", "10:1: suite: is there twice"},
		"another version":                 {"version: 1\n", "version: 2\n", "4:10: version: it has version 2, and this berry knows 1"},
		"a version that is text":          {"version: 1\n", "version: one\n", "4:10: version: must be a whole number"},
		"a short digest":                  {strings.Repeat("b", 64), strings.Repeat("b", 63), "30:13: packages[0].sha256: is \"" + strings.Repeat("b", 63) + "\", which is not a SHA-256 of 64 lower-case hex digits"},
		"a digest in upper case":          {strings.Repeat("a", 64), strings.Repeat("A", 64), "8:11: base.sha256: is"},
		"a digest that is a number":       {strings.Repeat("d", 64), strings.Repeat("1", 64), "44:13: packages[2].sha256: must be text"},
		"a version number without quotes": {`"1.0"`, "1.0", "41:14: packages[2].version: must be text"},
		"a version that is none":          {`"1.0"`, `"-"`, `41:14: packages[2].version: is "-", which is not a version as dpkg has it`},
		"a version with a way out":        {`"1.0"`, `"1.0/../../x"`, "41:14: packages[2].version: is"},
		"a name with a way out":           {"name: rsync", "name: ../rsync", "40:11: packages[2].name: is \"../rsync\", which is not a package name"},
		"a size of nothing":               {"size: 99", "size: 0", "45:11: packages[2].size: must be at least 1"},
		"a size below nothing":            {"installed_size: 1\n", "installed_size: -1\n", "46:21: packages[2].installed_size: must be at least 0"},
		"a size with a fraction":          {"size: 99", "size: 9.9", "45:11: packages[2].size: must be a whole number"},
		"a size in hex":                   {"size: 99", "size: 0x99", "45:11: packages[2].size: must be a whole number"},
		"a URL of another kind":           {"http://deb.example.org/debian/pool/a.deb", "file:///a.deb", "29:10: packages[0].url: is \"file:///a.deb\", which is not an http or https URL"},
		"a package that is there twice":   {"  - name: libc6\n    version: \"2:30\"\n    arch: armhf", "  - name: apache2\n    version: \"2:30\"\n    arch: arm64", "33:5: packages[1]: apache2 is there twice"},
		"a package that is not there":     {"      - libc6:armhf", "      - libc6", "23:9: roles.storage.packages[1]: is \"libc6\", which is not one of the packages of this lock"},
		"a role's package twice":          {"      - libc6:armhf", "      - rsync", "24:9: roles.storage.packages[2]: rsync is there twice"},
		"a list in place of keys":         {"base:\n  origin: raspios-trixie-arm64-lite\n", "base: [x]\nold:\n  origin: x\n", "5:7: base: must be keys and values"},
		"keys in place of a list":         {"install: [apache2]", "install: {apache2: 1}", "13:14: roles.balancer.install: must be a list"},
		"nothing in place of roles":       {"    install: []\n    packages: []\n", "", "16:11: roles.nothing: must be keys and values"},
		"an alias":                        {"suite: trixie\narch: arm64", "suite: &x arm64\narch: *x", "10:7: arch: must be text"},
		"a key that is a number":          {"  nothing:", "  7:", "16:3: roles: has a key that is not text"},
		"two documents":                   {"packages:\n  - name: apache2", "packages: []\n---\nx:\n  - name: apache2", "1:1: it cannot be read as a lock: it holds several documents"},
		"a conflict of git":               {"suite: trixie\n", "<<<<<<< HEAD\nsuite: trixie\n=======\n", "it cannot be read as a lock: yaml: "},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(goodLockText, tt.old, tt.new, 1)
			if text == goodLockText {
				t.Fatalf("the good lock has no %q", tt.old)
			}
			path := filepath.Join(t.TempDir(), "berries.lock.yaml")
			checkErr(t, os.WriteFile(path, []byte(text), 0o644), "")
			_, err := ReadLock(path)
			var report profiles.Report
			if !errors.As(err, &report) || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), path+":") {
				t.Errorf("got error: %v\nwant a report with: %s", err, tt.want)
			}
		})
	}
	_, err := ReadLock(filepath.Join(t.TempDir(), "none.yaml"))
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got error %v", err)
	}
}

// TestWriteRefuses wants nothing to be written that could not be read again.
func TestWriteRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berries.lock.yaml")
	checkErr(t, os.WriteFile(path, []byte("old"), 0o644), "")
	l := goodLock()
	l.Packages[0].Name = "../../etc/passwd"
	checkErr(t, l.Write(path), "which is not a package name")
	if text, err := os.ReadFile(path); err != nil || string(text) != "old" {
		t.Errorf("the file now holds %q, error %v", text, err)
	}
	checkErr(t, goodLock().Write(filepath.Join(path, "x")), "cannot write the lock: ")
}

func TestLockDiff(t *testing.T) {
	edit := func(change func(*Lock)) *Lock {
		l := goodLock()
		change(l)
		return l
	}
	sha := strings.Repeat
	tests := map[string]struct {
		old, new *Lock
		want     []string
	}{
		"nothing": {goodLock(), goodLock(), nil},
		"the first lock": {nil, edit(func(l *Lock) { l.Roles = nil }), []string{
			"base none -> raspios-trixie-arm64-lite https://example.org/raspios.img.xz trixie arm64 sha256:" + sha("a", 64),
			"add apache2 2.4.65-2", "add libc6:armhf 2:30", "add rsync 1.0",
		}},
		"another base": {edit(func(l *Lock) { l.Base = LockedBase{Origin: "my.img", SHA256: sha("e", 64)} }), goodLock(), []string{
			"base my.img trixie arm64 sha256:" + sha("e", 64) + " -> raspios-trixie-arm64-lite https://example.org/raspios.img.xz trixie arm64 sha256:" + sha("a", 64),
		}},
		"packages": {goodLock(), edit(func(l *Lock) {
			l.Packages[0].Version = "2.4.65-10"                       // not as text has it
			l.Packages[1].Version = "30"                              // without the epoch
			l.Packages[2].Name, l.Packages[2].Version = "sudo", "1.9" // in place of rsync
		}), []string{"upgrade apache2 2.4.65-2 -> 2.4.65-10", "downgrade libc6:armhf 2:30 -> 30", "remove rsync 1.0", "add sudo 1.9"}},
		"other bytes": {goodLock(), edit(func(l *Lock) { l.Packages[0].SHA256 = sha("f", 64) }), []string{"rebuild apache2 2.4.65-2 -> 2.4.65-2"}},
		"roles": {goodLock(), edit(func(l *Lock) {
			l.Roles["remote"] = LockedRole{[]string{"ddclient"}, []string{"apache2"}}
			l.Roles["balancer"] = LockedRole{[]string{"apache2"}, []string{"apache2", "rsync"}}
			delete(l.Roles, "storage")
		}), []string{"role balancer: apache2 (1 packages) -> apache2 (2 packages)", "role remote: none -> ddclient (1 packages)", "role storage: apache2 rsync (3 packages) -> none"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range tt.new.Diff(tt.old) {
				got = append(got, c.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("changes (-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzReadLock wants no panic, a place for every mistake, and what was read to
// be written and read again as it is.
func FuzzReadLock(f *testing.F) {
	f.Add([]byte(goodLockText))
	for _, s := range []string{"", "{}", "- 1", "a: &a [*a]", "version: 1\nroles: {? [x] : 1}", "\xff", "packages: [{name: a}]", "roles: {x: {install: [a], packages: [a]}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := parseLock("x.yaml", text)
		if err != nil {
			var report profiles.Report
			if !errors.As(err, &report) {
				t.Fatalf("got error %v, want a report", err)
			}
			for _, m := range report {
				if m.Line < 1 || m.Col < 1 || m.Message == "" {
					t.Fatalf("a mistake without place or words: %+v", m)
				}
			}
			return
		}
		again, err := l.encode()
		checkErr(t, err, "")
		same, err := parseLock("x.yaml", again)
		checkErr(t, err, "")
		if diff := cmp.Diff(l, same); diff != "" {
			t.Fatalf("read again (-want +got):\n%s", diff)
		}
		if changes := same.Diff(l); len(changes) > 0 {
			t.Fatalf("changes: %v", changes)
		}
	})
}
