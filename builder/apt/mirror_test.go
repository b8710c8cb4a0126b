package apt

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/apt/apttest"
)

func TestLockThenPool(t *testing.T) {
	m := apttest.New(t, apttest.Options{Debs: archive})
	w := newWork(t, m)
	checkErr(t, w.lock(t.Context()), "")
	w.Cache = t.TempDir() // another machine, which has the lock only
	pool, err := w.pool(t.Context())
	checkErr(t, err, "")
	var names []string
	for _, f := range pool.Files {
		names = append(names, f.Name)
	}
	if diff := cmp.Diff([]string{"a_1.0-1_arm64.deb", "b_2.0-1+deb13u1_all.deb", "c_3~rc1-1_arm64.deb"}, names); diff != "" {
		t.Errorf("pool (-want +got):\n%s", diff)
	}
	if pool.Installed < 8<<10 || pool.Bytes() <= int64(len(pool.Index)) {
		t.Errorf("the pool takes %d bytes and %d installed", pool.Bytes(), pool.Installed)
	}
	w.checkCache(t)
	before := m.Asked("")
	if _, err := w.pool(t.Context()); err != nil || m.Asked("") != before {
		t.Errorf("a second time asked the mirror %d times, error %v", m.Asked("")-before, err)
	}
}

func TestIndexesInAnyForm(t *testing.T) {
	for _, form := range []string{"", ".gz", ".xz", ".zst"} {
		t.Run("Packages"+form, func(t *testing.T) {
			m := apttest.New(t, apttest.Options{Debs: archive, Forms: []string{form}})
			w := newWork(t, m)
			checkErr(t, w.lock(t.Context()), "")
			if m.Asked("binary-arm64/") != 1 {
				t.Errorf("the mirror was asked for %d files", m.Asked("binary-arm64/"))
			}
		})
	}
}

// TestLockRefuses breaks the mirror, or what the base knows of it, before berry
// lock.
func TestLockRefuses(t *testing.T) {
	stranger, expired := apttest.NewKey(t), apttest.NewExpiredKey(t)
	long := time.Now().AddDate(0, -2, 0)
	tests := map[string]struct {
		release apttest.Release
		broken  func(*apttest.Mirror, apttest.Files)
		err     string
	}{
		"an index with a flipped bit": {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Edit("binary-arm64/", apttest.Flipped) },
			err: "dists/trixie/main/binary-arm64/Packages.gz: cannot download"},
		"an index under its name only, with a flipped bit": {broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Edit("by-hash/", apttest.Gone)
			m.Edit("Packages.gz", apttest.Flipped)
		}, err: "what the server sent has SHA-256"},
		"an index that is cut off": {broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Edit("binary-arm64/", func(b []byte) []byte { return b[:len(b)/2] })
		}, err: "bytes long there, not"},
		"no index": {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Edit("binary-arm64/", apttest.Gone) },
			err: "binary-arm64/Packages.gz: the server answered 404 Not Found"},
		"a Release file that has expired": {release: apttest.Release{Date: long, ValidUntil: long.AddDate(0, 0, 7)},
			err: "cannot use suite trixie of http://127.0.0.1"},
		"an expired one says what to do": {release: apttest.Release{Date: long, ValidUntil: long.AddDate(0, 0, 7)},
			err: "wait for the mirror to be updated, or use another one"},
		"a Release file of the future": {release: apttest.Release{Date: time.Now().AddDate(0, 0, 2)}, err: "set the clock"},
		"a Release file of another suite": {release: apttest.Release{Codename: "bookworm"},
			err: `what the mirror has there is suite "stable", codename "bookworm"`},
		"a Release file that was changed": {broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Edit("InRelease", func(b []byte) []byte { return []byte(strings.Replace(string(b), "Label: Debian", "Label: Debiam", 1)) })
		}, err: "its signature is bad"},
		"a changed Release file with a signature beside it": {release: apttest.Release{Detached: true}, broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Edit("/Release", func(b []byte) []byte { return []byte(strings.Replace(string(b), "Label: Debian", "Label: Debiam", 1)) })
		}, err: "its signature is bad"},
		"a signature by a stranger": {release: apttest.Release{Key: stranger},
			err: "InRelease cannot be trusted (keys: " + apttest.KeyringPath + "): it is signed by " + strings.ToUpper(fmt.Sprintf("%016x", stranger.PrimaryKey.KeyId)) + ", and none of these keys is known"},
		"a stranger's signature beside it": {release: apttest.Release{Key: stranger, Detached: true}, err: "none of these keys is known"},
		"a key that has expired": {release: apttest.Release{Key: expired}, broken: func(m *apttest.Mirror, f apttest.Files) {
			f[apttest.KeyringPath] = string(m.Keyring(expired))
		}, err: "expired"},
		"no signature": {release: apttest.Release{Unsigned: true}, err: "Release cannot be trusted: it is not signed"},
		"an InRelease file without a signature": {broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Edit("InRelease", func([]byte) []byte { return []byte("Suite: trixie\n") })
		}, err: "InRelease cannot be trusted (keys: " + apttest.KeyringPath + "): it is not signed"},
		"no keyring in the base": {broken: func(_ *apttest.Mirror, f apttest.Files) { delete(f, apttest.KeyringPath) },
			err: apttest.SourcesPath + ": record 1: cannot read the keys of http://127.0.0.1"},
		"no key at all in the base": {broken: func(_ *apttest.Mirror, f apttest.Files) {
			f[apttest.SourcesPath] = strings.Replace(f[apttest.SourcesPath], "Signed-By:", "X-Was-Signed-By:", 1)
		}, err: "there is no key to check its signature with"},
		"a keyring that is none": {broken: func(_ *apttest.Mirror, f apttest.Files) { f[apttest.KeyringPath] = "<html>" },
			err: "cannot read the keys in " + apttest.KeyringPath},
		"no suite":              {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Edit("InRelease", apttest.Gone) }, err: "the server answered 404 Not Found"},
		"a mirror that is down": {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Down() }, err: "gave up after 4 attempts"},
		"a mirror without the package": {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Publish(apttest.Release{}, archive[1:]...) },
			err: "cannot lock the packages of role storage: cannot install a: no source has a"},
		"a mirror without what it needs": {broken: func(m *apttest.Mirror, _ apttest.Files) { m.Publish(apttest.Release{}, archive[0], archive[2]) },
			err: "cannot install a: a 1.0-1 needs b (>= 2), no source has b"},
		"a mirror with too old a one": {broken: func(m *apttest.Mirror, _ apttest.Files) {
			m.Publish(apttest.Release{}, archive[0], archive[2], apttest.Deb{Name: "b", Version: "1", Arch: "all"})
		}, err: "a 1.0-1 needs b (>= 2), the sources have only b 1"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := apttest.New(t, apttest.Options{Debs: archive, Release: tt.release})
			w := newWork(t, m)
			if tt.broken != nil {
				tt.broken(m, w.Base)
			}
			checkErr(t, w.lock(t.Context()), tt.err)
			if names, _ := os.ReadDir(filepath.Dir(w.Path)); len(names) > 0 {
				t.Errorf("beside the lock lies %v", names)
			}
			w.checkCache(t)
		})
	}
}

// rebuilt is the archive with another a under the same version.
func rebuilt() []apttest.Deb {
	list := slices.Clone(archive)
	list[0].Files = map[string]string{"/usr/share/a": strings.Repeat("b\n", 4000)}
	return list
}

// TestBuildRefuses breaks the mirror between berry lock and berry build.
func TestBuildRefuses(t *testing.T) {
	tests := map[string]struct {
		broken func(*apttest.Mirror)
		err    string
	}{
		"a package with a flipped bit": {func(m *apttest.Mirror) { m.Edit("a_1.0-1_arm64.deb", apttest.Flipped) },
			"the mirror's a 1.0-1 (arm64) is not the one that the lock pins; use another mirror, or type berry lock to pin today's: cannot download http://127.0.0.1"},
		"a package that was built anew": {func(m *apttest.Mirror) { m.Publish(apttest.Release{}, rebuilt()...) },
			"the mirror's a 1.0-1 (arm64) is not the one that the lock pins"},
		"a package that is cut off": {func(m *apttest.Mirror) { m.Edit("c_3~rc1-1_", func(b []byte) []byte { return b[:100] }) },
			"cannot get package c 3~rc1-1 (arm64)"},
		"packages that are gone": {func(m *apttest.Mirror) { m.Publish(apttest.Release{}, archive[2:]...) },
			"the mirror does not have a 1.0-1 (arm64), b 1:2.0-1+deb13u1 (all) any more; type berry lock to pin what it has now: cannot download"},
		"a mirror that is down": {func(m *apttest.Mirror) { m.Down() }, "gave up after 4 attempts"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := apttest.New(t, apttest.Options{Debs: archive})
			w := newWork(t, m)
			checkErr(t, w.lock(t.Context()), "")
			before, err := os.ReadFile(w.Path)
			checkErr(t, err, "")
			w.Cache = t.TempDir()
			tt.broken(m)
			pool, err := w.pool(t.Context())
			checkErr(t, err, tt.err)
			if pool != nil {
				t.Errorf("got a pool of %d files", len(pool.Files))
			}
			after, err := os.ReadFile(w.Path)
			checkErr(t, err, "")
			if string(after) != string(before) {
				t.Error("the lock was changed")
			}
			w.checkCache(t)
		})
	}
}

// TestMirrorsAndProxy fetches what the base's sources name from elsewhere.
func TestMirrorsAndProxy(t *testing.T) {
	const uri = "http://deb.example.org/debian/"
	m := apttest.New(t, apttest.Options{Debs: archive, URI: uri})
	through, err := Through(strings.TrimSuffix(m.URL, "/debian/"))
	checkErr(t, err, "")
	tests := map[string]struct {
		change func(*Options)
		notes  []string
	}{
		"a mirror":  {func(o *Options) { o.Mirrors = Mirrors{{uri, m.URL}} }, nil},
		"a proxy":   {func(o *Options) { o.Files.HTTP = through }, nil},
		"the inner": {func(o *Options) { o.Mirrors = Mirrors{{"http://deb.example.org", "http://127.0.0.1:1"}, {uri, m.URL}} }, nil},
		"one that is not used": {func(o *Options) { o.Mirrors = Mirrors{{uri, m.URL}, {"http://deb.example.org/deb", m.URL}} },
			[]string{"mirror " + m.URL + " is not used: no source of the base lies below http://deb.example.org/deb"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := ReadBase(m.Base())
			checkErr(t, err, "")
			o := newWork(t, m).options()
			tt.change(&o)
			a, err := Open(t.Context(), b, o)
			checkErr(t, err, "")
			if diff := cmp.Diff(tt.notes, a.Notes); diff != "" {
				t.Errorf("notes (-want +got):\n%s", diff)
			}
			list, err := a.Closure([]string{"a"})
			checkErr(t, err, "")
			if _, err := Fetch(t.Context(), o, list); err != nil {
				t.Error(err)
			}
			if want := uri + "pool/main/a/a/a_1.0-1_arm64.deb"; list[0].URL != want {
				t.Errorf("the lock would have %s, want %s", list[0].URL, want)
			}
		})
	}
	for _, bad := range []string{"", "proxy:3142", "socks5://proxy", "http://", "http://proxy/debian"} {
		if _, err := Through(bad); err == nil {
			t.Errorf("%q is taken as a proxy", bad)
		}
	}
}
