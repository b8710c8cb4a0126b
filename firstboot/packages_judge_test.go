//go:build root

package main

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berries/firstboot/node"
	"berries/firstboot/umltest"
)

// wantQuiet fails when a machine that was cut has started a service besides ours.
func wantQuiet(t *testing.T, m *umltest.Machine) {
	t.Helper()
	var started []string
	for _, line := range m.Seen() {
		if _, name, ok := strings.Cut(line, "started: "); ok {
			started = append(started, strings.TrimSpace(name))
		}
	}
	if !slices.Equal(started, []string{"berry-firstboot.service"}) {
		t.Errorf("these were started: %q, in:\n%s", started, strings.Join(m.Seen(), "\n"))
	}
}

// wantInstalled has e2fsck and the test machine's dpkg judge a card, and returns
// the tree of its files.
func wantInstalled(t *testing.T, c *umltest.Card, f node.File) string {
	t.Helper()
	tree := c.Contents().RootTree()
	if got := dpkg(t, "dpkg", "--root="+tree, "--audit"); got != "" {
		t.Errorf("dpkg --audit:\n%s", got)
	}
	const format = `${Package} ${Version} ${Architecture} ${db:Status-Abbrev}\n`
	list := dpkg(t, "dpkg-query", "--root="+tree, "--show", "--showformat="+format)
	for _, p := range f.Packages.Versions {
		if want := fmt.Sprintf("%s %s %s ii ", p.Name, p.Version, p.Arch); !strings.Contains(list, want+"\n") {
			t.Errorf("dpkg does not list %q", want)
		}
	}
	for _, name := range f.Packages.Purge {
		if strings.Contains("\n"+list, "\n"+name+" ") {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range []string{pool, pool + ".gone", "/usr/sbin/policy-rc.d"} {
		if _, err := os.Lstat(tree + name); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	if got := enabled(t, tree); got != "" {
		t.Errorf("services of new packages are enabled: %s", got)
	}
	wantMarks(t, tree, f)
	return tree
}

// wantMarks compares apt's marks: whatever is listed came as a dependency.
func wantMarks(t *testing.T, tree string, f node.File) {
	t.Helper()
	text, err := os.ReadFile(tree + "/var/lib/apt/extended_states")
	if err != nil {
		t.Fatal(err)
	}
	auto := map[string]bool{}
	for stanza := range strings.SplitSeq(string(text), "\n\n") {
		if strings.Contains(stanza, "Auto-Installed: 1") {
			name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(stanza), "Package: "), "\n")
			auto[name] = true
		}
	}
	asked := map[string]bool{}
	for _, name := range f.Packages.Install {
		asked[name] = true
	}
	for _, p := range f.Packages.Versions {
		if auto[p.Name] == asked[p.Name] {
			t.Errorf("%s is marked as automatic: %v", p.Name, auto[p.Name])
		}
	}
}

// enabled lists links that would start a service of the new packages.
func enabled(t *testing.T, tree string) string {
	t.Helper()
	links, err := filepath.Glob(tree + "/etc/systemd/system/*.wants/*")
	if err != nil || len(links) == 0 {
		t.Fatalf("no links: %v", err)
	}
	var found []string
	for _, link := range links {
		name, kind, _ := strings.Cut(filepath.Base(link), ".")
		if slices.Contains(services, name) && kind != "timer" {
			found = append(found, link)
		}
	}
	return strings.Join(found, ", ")
}

// changing are files whose content is not the same after two installations that
// went well: logs, caches, keys, lists in the order in which things were done.
var changing = []string{
	"/var/log/", "/var/cache/", "/var/lib/dpkg/", "/var/lib/apt/", "/var/lib/systemd/", "/var/lib/berry/status.json", "/var/lib/berry/cards.json",
	"/var/lib/NetworkManager/", "/var/tmp/", "/etc/machine-id",
}

// wantSameFiles compares the files of a card that was cut with those of one that
// was not. None may be empty that is not there, whatever its name.
func wantSameFiles(t *testing.T, want, got string) {
	t.Helper()
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, want)
		if strings.HasSuffix(name, ".berry-new") {
			return nil // being written when the power of the machine without a cut was switched off
		}
		a, err := os.Lstat(path)
		if err != nil {
			return err
		}
		b, err := os.Lstat(got + name)
		loose := slices.ContainsFunc(changing, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
		switch {
		case err != nil:
			if !loose {
				t.Errorf("%s is missing", name)
			}
		case a.Mode() != b.Mode():
			t.Errorf("%s has mode %v, want %v", name, b.Mode(), a.Mode())
		case a.Mode().IsRegular() && a.Size() > 0 && b.Size() == 0:
			t.Errorf("%s is empty", name)
		case a.Mode().IsRegular() && !loose && !sameContent(t, path, got+name):
			t.Errorf("%s has another content", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func sameContent(t *testing.T, a, b string) bool {
	t.Helper()
	one, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	other, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Equal(one, other)
}

func dpkg(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}
