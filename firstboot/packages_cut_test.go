//go:build root

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/umltest"
)

// cuts is how many times the power fails, from BERRY_CUTS: a third of them between
// the last package and the end of the step, which is short.
func cuts(t *testing.T) (within, atEnd int) {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("BERRY_CUTS"))
	if err != nil || n < 3 {
		t.Fatalf("BERRY_CUTS is %q, and must be a number from 3 on; type: make test-cuts", os.Getenv("BERRY_CUTS"))
	}
	return n - n/3, n / 3
}

// TestPackagesThroughPowerCuts installs a storage node's packages once without a
// cut, to know how long it takes and what it leaves, and then on copies of the
// same card with the power cut at random moments of the step. A card is
// cut again and again, each time within the next fifth of what the step takes,
// until it gets through; so cuts also fall into the repairs after a cut. The last
// third fall into the end of the step (purge, marks, freeing the pool), on a card of
// their own each. The first card has a state that a cut leaves too seldom to be hit here
// (tornCard). Every boot must leave the services alone; every card that gets
// through must be one that the foreign judges accept, with files like those of the
// uncut one.
//
// What the machine's disk does not show: a card whose own controller loses or
// reorders what it has been told to keep. What the machine had not written yet is
// lost, as on a Pi.
func TestPackagesThroughPowerCuts(t *testing.T) {
	t.Parallel()
	blank, f := packagesCard(t)
	cutsWithin, cutsAtEnd := cuts(t)
	u := installUncut(t, blank, f)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	t.Run("while packages are installed", func(t *testing.T) {
		t.Parallel()
		within := moments(seed, 0)
		for done := 0; done < cutsWithin; {
			c := blank.Copy(t)
			if done == 0 {
				c = tornCard(t, blank, f)
			}
			n := cutUntilInstalled(t, c, func() time.Duration { return within(u.takes / 5) }, cutsWithin-done)
			done += n
			u.wantSame(t, c, f)
			t.Logf("a card got through after %d cuts; %d in all", n, done)
		}
	})
	t.Run("at the end of the step", func(t *testing.T) {
		t.Parallel()
		within := moments(seed, 1)
		for done := 0; done < cutsAtEnd; {
			c := u.installed.Copy(t)
			done += cutUntilInstalled(t, c, func() time.Duration { return within(u.end) }, 1)
			u.wantSame(t, c, f)
		}
	})
}

// tornCard is a card on which dpkg was cut after it had unpacked a package, while it
// removed what it had set aside: it wants to unpack the package again before it
// configures it.
func tornCard(t *testing.T, blank *umltest.Card, f node.File) *umltest.Card {
	t.Helper()
	i := slices.IndexFunc(f.Packages.Versions, func(p node.Package) bool { return p.Name == "attr" })
	if i < 0 {
		t.Fatal("attr is not among the packages")
	}
	p := f.Packages.Versions[i]
	files := tell()
	const record = "/var/lib/dpkg/status"
	files[record] = umltest.File{Content: blank.Contents().Read(record) + fmt.Sprintf(`
Package: %s
Status: install reinstreq unpacked
Maintainer: nobody
Architecture: %s
Version: %s
Description: unpacked, but not to the end
`, p.Name, p.Arch, p.Version)}
	return umltest.FromImage(t, labImage(t), wholeCard, files)
}

// moments gives random moments, in a sequence of its own for each stream.
func moments(seed, stream uint64) func(time.Duration) time.Duration {
	random := rand.New(rand.NewPCG(seed, stream))
	return func(d time.Duration) time.Duration { return time.Duration(random.Int64N(int64(d))) }
}

// uncut is what an installation without a cut has shown.
type uncut struct {
	takes, end time.Duration // of the whole step, and of what follows apt-get
	tree       string        // of all files that it leaves
	installed  *umltest.Card // when apt-get had just installed everything
}

func installUncut(t *testing.T, blank *umltest.Card, f node.File) (u uncut) {
	t.Helper()
	c := blank.Copy(t)
	m := c.Boot("")
	m.UntilSays(cardLine)
	began := time.Now()
	m.UntilSays(" dist-upgrade ")
	u.installed = m.Freeze(c)
	installed := time.Now()
	if line := m.UntilSays(packagesLine); !strings.Contains(line, "packages: done") {
		t.Fatalf("%s\n%s", line, strings.Join(m.Seen(), "\n"))
	}
	u.takes, u.end = time.Since(began), time.Since(installed)
	m.Cut()
	wantQuiet(t, m)
	u.tree = wantInstalled(t, c, f)
	t.Logf("without a cut the step takes %.1fs, %.1fs of it after the installation", u.takes.Seconds(), u.end.Seconds())
	m = c.Boot("")
	t.Logf("on the next boot it takes %.1fs", untilInstalled(t, m, "already done").Seconds())
	m.Cut()
	wantQuiet(t, m)
	return u
}

// wantSame judges a card that got through, and gives its space back.
func (u uncut) wantSame(t *testing.T, c *umltest.Card, f node.File) {
	t.Helper()
	wantSameFiles(t, u.tree, wantInstalled(t, c, f))
	os.RemoveAll(filepath.Dir(c.Path))
}

// cutUntilInstalled boots a card and cuts its power at a moment of the step, until it
// gets through or has been cut often enough, and then lets it finish. It returns
// the number of cuts.
func cutUntilInstalled(t *testing.T, c *umltest.Card, moment func() time.Duration, most int) int {
	t.Helper()
	for n := range most {
		m := c.Boot("")
		m.UntilSays(cardLine)
		after := moment()
		time.Sleep(after)
		m.Cut()
		wantQuiet(t, m)
		if strings.Contains(strings.Join(m.Seen(), "\n"), packagesLine) { // a failed one is told on the next boot
			return n
		}
		t.Logf("cut %d, %.1fs into the step, after: %s", n+1, after.Seconds(), lastRan(m))
	}
	m := c.Boot("")
	untilInstalled(t, m, "")
	m.Cut()
	wantQuiet(t, m)
	return most
}

// lastRan is the last command that a machine told of.
func lastRan(m *umltest.Machine) string {
	last := "nothing"
	for _, line := range m.Seen() {
		if _, command, ok := strings.Cut(line, "berry-firstboot: ran "); ok {
			last = strings.TrimSpace(command)
		}
	}
	return last[:min(len(last), 80)]
}

// What the console says at the end of the two steps. The node never gets further
// than the step behind them, which waits for the other nodes.
const (
	cardLine     = "berry-firstboot: step 2/10 card: "
	packagesLine = "berry-firstboot: step 3/10 packages: "
)

// untilInstalled waits for the end of the step, which must be a good one.
func untilInstalled(t *testing.T, m *umltest.Machine, packages string) time.Duration {
	t.Helper()
	m.UntilSays(cardLine)
	began := time.Now()
	line := m.UntilSays(packagesLine)
	if !strings.Contains(line, "packages: "+packages) || strings.Contains(line, "failed") {
		t.Fatalf("%s, want %s\n%s", line, packages, strings.Join(m.Seen(), "\n"))
	}
	return time.Since(began)
}
