package stages

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berries/builder/apt"
	"berries/builder/apt/apttest"
	"berries/builder/disk/disktest"
	"berries/firstboot/node"
)

// offset is where the root filesystem of every image lies, as debugfs wants it.
const offset = "?offset=545259520"

// An image brings its role's packages as a repository, and its node file and bill
// of materials name them.
func TestAnImageBringsThePackagesOfItsRole(t *testing.T) {
	c, o := cluster(t, newBase(t, disktest.Options{})), options(t)
	for _, r := range build(t, o, c) {
		hasGluster, hasDDClient := r.Role != "balancer", r.Role == "remote"
		pool := run(t, "debugfs", "-R", "ls -p /var/lib/berry/pool", r.Path+offset)
		index := run(t, "debugfs", "-R", "cat /var/lib/berry/pool/Packages", r.Path+offset)
		f, err := node.Decode([]byte(run(t, "debugfs", "-R", "cat /etc/berry/node.json", r.Path+offset)))
		if err != nil {
			t.Fatal(err)
		}
		told, err := json.Marshal(f.Packages)
		if err != nil {
			t.Fatal(err)
		}
		bill, err := os.ReadFile(r.Path + sbomSuffix)
		if err != nil {
			t.Fatal(err)
		}
		for what, text := range map[string]string{"pool": pool, "index": index, "node file": string(told), "bill of materials": string(bill)} {
			for name, want := range map[string]bool{"apache2": true, "glusterfs-server": hasGluster, "glusterfs-common": hasGluster, "ddclient": hasDDClient} {
				if got := strings.Contains(text, name); got != want {
					t.Errorf("%s: %s in the %s: %v, want %v", r.Node, name, what, got, want)
				}
			}
		}
	}
}

// What the mirror has now is of no account to a cluster with a lock, until a
// locked package is gone.
func TestALockHoldsWhateverTheMirrorHasNow(t *testing.T) {
	m := apttest.Article(t)
	c, o := cluster(t, disktest.New(t, disktest.Options{Files: m.Sources()})), options(t)
	first := build(t, o, c)

	m.Publish(apttest.Release{}, apttest.Deb{Name: "apache2", Version: "9.9-9", Arch: "all"})
	again := build(t, o, c) // the packages are in the cache
	if first[0].SHA256 != again[0].SHA256 {
		t.Error("another mirror gave another image")
	}
	o.Fetch.Cache = t.TempDir()
	before := files(t, o.Out)
	_, err := tryBuild(o, c)
	for _, want := range []string{"the mirror does not have", "glusterfs-server 11.1-6", "type berry lock"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error that says %q", err, want)
		}
	}
	if after := files(t, o.Out); after != before {
		t.Errorf("the failed build has changed the folder:\n%s\nbefore:\n%s", after, before)
	}
}

// files lists a folder.
func files(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hidden, err := filepath.Glob(filepath.Join(dir, ".[!.]*"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(append(found, hidden...), "\n")
}

func TestALockOfAnotherBaseIsRefused(t *testing.T) {
	m := apttest.Article(t)
	c, o := cluster(t, disktest.New(t, disktest.Options{Files: m.Sources()})), options(t)
	build(t, o, c)
	c.Base.File = disktest.New(t, disktest.Options{Files: m.Sources(), CloudInit: true}) // of the same name
	_, err := tryBuild(o, c)
	if want := "berries.lock.yaml pins; get that one again, or type berry lock"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error that says %q", err, want)
	}
}

// The root partition is as large as the role with the most packages needs it, and
// the same for all nodes.
func TestTheRootGrowsWhereThePackagesNeedIt(t *testing.T) {
	big := apt.Package{Name: "glusterfs-server", Version: "1", Arch: "arm64", Size: 50 << 20, InstalledSize: 250 << 20}
	small := apt.Package{Name: "apache2", Version: "1", Arch: "arm64", Size: 1 << 20, InstalledSize: 5 << 20}
	pins := &pinned{lock: &apt.Lock{Arch: "arm64", Packages: []apt.Package{small, big}, Roles: map[string]apt.LockedRole{
		"storage": {Packages: []string{"apache2", "glusterfs-server"}}, "balancer": {Packages: []string{"apache2"}}}}}
	for _, c := range []struct {
		name               string
		wanted, used, want int64
	}{
		{"room enough", 4 << 30, 2 << 30, 4 << 30},
		{"too small for what is installed", 2 << 30, 1800 << 20, 2808 << 20},
	} {
		got, err := pins.rootSize(c.wanted, c.used)
		if err != nil || got != c.want {
			t.Errorf("%s: got %d MiB (%v), want %d", c.name, got>>20, err, c.want>>20)
		}
	}
}
