//go:build apt

package apt

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/fetch"
)

// open reads the world as a base and fetches its indexes.
func (w *world) open() *Archive {
	w.t.Helper()
	b, err := ReadBase(dirRoot(w.dir))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := Open(w.t.Context(), b, Options{
		Files: &fetch.Client{Cache: w.dir + "/berry-cache"}, Now: time.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func ids(list []Package) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name+" "+p.Version+" "+p.Arch)
	}
	slices.Sort(out)
	return out
}

var lean = []string{"--no-install-recommends"}

func TestRandomPackagesAsApt(t *testing.T) {
	w := newWorld(t, "trixie", "arm64")
	w.installs(lean, "?essential", "?priority(required)", "?priority(important)", "apt", "dpkg")
	a := w.open()
	var names []string
	for _, p := range a.universe.all {
		if p.candidate() != nil && p.current == nil {
			names = append(names, p.name)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	same, refused, removes, differ := 0, 0, 0, 0
	for range 100 {
		name := names[rnd.IntN(len(names))]
		want := w.simulate(lean, name)
		began := time.Now()
		got, err := a.Closure([]string{name})
		took := time.Since(began)
		diff := cmp.Diff(want.install, ids(got))
		switch {
		case want.failed && err != nil:
			refused++
		case len(want.remove) > 0 && err != nil:
			removes++
		case err == nil && diff == "" && !want.failed:
			same++
		default:
			differ++
			t.Errorf("%s: (%v) err %v, apt failed %v removes %v\n%s", name, took, err, want.failed, want.remove, strings.Join(strings.Split(fmt.Sprint(diff), "\n"), "\n"))
		}
	}
	t.Logf("same %d, both refuse %d, apt removes %d, differ %d", same, refused, removes, differ)
}
