package apt

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"berries/builder/apt/apttest"
	"berries/builder/fetch"
)

// archive is what the tests' mirror has: a and what it needs, and more that is
// none of its business.
var archive = []apttest.Deb{
	{Name: "a", Version: "1.0-1", Arch: "arm64", Fields: "Depends: b (>= 2), c | d\nRecommends: e\n", Files: map[string]string{"/usr/share/a": strings.Repeat("a\n", 4000)}},
	{Name: "b", Version: "1:2.0-1+deb13u1", Arch: "all", Fields: "Multi-Arch: foreign\n"},
	{Name: "c", Version: "3~rc1-1", Arch: "arm64"},
	{Name: "d", Version: "4", Arch: "arm64"},
	{Name: "e", Version: "5", Arch: "arm64"},
}

var testBase = LockedBase{Origin: "raspios.img", SHA256: strings.Repeat("0123456789abcdef", 4)}

// work is one user's work with the mirror: his base, his cache, his lock.
type work struct {
	Base        apttest.Files
	Cache, Path string
}

func newWork(t testing.TB, m *apttest.Mirror) work {
	return work{Base: m.Base(), Cache: t.TempDir(), Path: filepath.Join(t.TempDir(), "berries.lock.yaml")}
}

func (w work) options() Options {
	return Options{Files: &fetch.Client{Cache: w.Cache, Backoff: time.Millisecond}, Now: time.Now}
}

// lock does what berry lock does.
func (w work) lock(ctx context.Context) error {
	b, err := ReadBase(w.Base)
	if err != nil {
		return err
	}
	a, err := Open(ctx, b, w.options())
	if err != nil {
		return err
	}
	l, err := NewLock(testBase, a, map[string][]string{"storage": {"a"}})
	if err != nil {
		return err
	}
	return l.Write(w.Path)
}

// pool does what berry build does with the lock.
func (w work) pool(ctx context.Context) (*Pool, error) {
	l, err := ReadLock(w.Path)
	if err != nil {
		return nil, err
	}
	list, err := l.For("storage")
	if err != nil {
		return nil, err
	}
	paths, err := Fetch(ctx, w.options(), list)
	if err != nil {
		return nil, err
	}
	return NewPool(list, paths)
}

// checkCache wants every file that has its final name in the cache to be what
// the name says.
func (w work) checkCache(t *testing.T) {
	t.Helper()
	digest := regexp.MustCompile(`^[0-9a-f]{64}$`)
	err := filepath.WalkDir(w.Cache, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !digest.MatchString(d.Name()) {
			return err
		}
		data, err := os.ReadFile(path)
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != d.Name() {
			t.Errorf("the cache's %s holds something else (%s)", d.Name(), got)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Fatalf("got error: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Fatalf("got error: %v\nwant one with: %s", err, want)
	}
}
