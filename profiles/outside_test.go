package profiles

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is a profile that needs nothing outside itself.
const small = `cluster: small
user: {ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG81R5MHEWjQVBNMzP0WkvgBsXIGmSJxdkoSYwbW9Bgy]}
nodes: [{name: a, role: storage}, {name: b, role: storage}, {name: c, role: storage}]
`

func TestTheBaseOfAProfile(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Chdir(dir)
	sum := strings.Repeat("0f", 32)
	write(t, "profiles/images/my.img", "image", 0o644)
	write(t, "here.img.xz", "image", 0o644)
	write(t, filepath.Join(home, "home.img.zst"), "image", 0o644)
	for _, c := range []struct {
		name, base, override string
		want                 Base
	}{
		{"by default", "", "", Base{Name: "raspios-trixie-arm64-lite"}},
		{"the default of the other suite", "suite: bookworm", "", Base{Name: "raspios-bookworm-arm64-lite"}},
		{"pinned without a name", "base: {sha256: " + sum + "}", "", Base{Name: "raspios-trixie-arm64-lite", SHA256: sum}},
		{"a catalogue name", "base: raspios-trixie-arm64", "", Base{Name: "raspios-trixie-arm64"}},
		{"a URL", "base: http://example.net/a.img.xz", "", Base{URL: "http://example.net/a.img.xz"}},
		{"a path beside the profile", "base: images/my.img", "", Base{File: filepath.Join(dir, "profiles/images/my.img")}},
		{"a path from the home folder", "base: ~/home.img.zst", "", Base{File: filepath.Join(home, "home.img.zst")}},
		{"a whole path", "base: " + dir + "/here.img.xz", "", Base{File: filepath.Join(dir, "here.img.xz")}},
		{"a file in place of a missing one", "base: gone.img", "here.img.xz", Base{File: filepath.Join(dir, "here.img.xz")}},
		{"a file in place of a pinned name", "base: {sha256: " + sum + "}", "./here.img.xz", Base{File: filepath.Join(dir, "here.img.xz")}},
		{"a URL in place of a file", "base: images/my.img", "https://example.net/b.zip", Base{URL: "https://example.net/b.zip"}},
		{"a name in place of a file", "base: images/my.img", "raspios-trixie-arm64", Base{Name: "raspios-trixie-arm64"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			write(t, "profiles/small.yaml", small+c.base+"\n", 0o644)
			got, err := Load("profiles/small.yaml", Env{HomeDir: home, BaseOverride: c.override})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got.Base); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatCannotBeLoadedIsAPlainError(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "small.yaml", small, 0o644)
	write(t, "large.yaml", small+strings.Repeat("#", maxProfile), 0o644)
	for _, c := range []struct {
		name, path, override, want string
		is                         error
	}{
		{"no profile", "gone.yaml", "", "cannot read profile: open gone.yaml: no such file or directory", fs.ErrNotExist},
		{"a folder", ".", "", "cannot read profile: read .: is a directory", nil},
		{"far too large", "large.yaml", "", "cannot read profile: large.yaml is larger than the 64 KiB of any profile", nil},
		{"no overriding base", "small.yaml", "gone.img", "cannot use base gone.img: there is no file gone.img", nil},
		{"a strange overriding base", "small.yaml", "ftp://a/b", `cannot use base ftp://a/b: cannot fetch "ftp" URLs`, nil},
	} {
		_, err := Load(c.path, Env{BaseOverride: c.override})
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v does not wrap %v", c.name, err, c.is)
		}
		if report := (Report)(nil); errors.As(err, &report) {
			t.Errorf("%s: got a report: %v", c.name, report)
		}
	}
}

func TestAHomeFolderThatIsNotKnownIsAMistake(t *testing.T) {
	_, err := load("small.yaml", []byte(strings.Replace(small, "ssh_keys", "ssh_key_files: [~/id.pub], ssh_keys", 1)), Env{})
	want := "small.yaml:2:24: user.ssh_key_files[0]: starts with ~, but the home folder is not known\n    hint: write the whole path"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAFileThatCannotBeReachedIsAMistake(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "file", "no folder", 0o644)
	_, p := (&reading{}).keyFile("file/id.pub")
	if want := "cannot read file/id.pub: not a directory"; p.message != want {
		t.Errorf("got %q, want %q", p.message, want)
	}
}

// A hint is typed where berry is, not where the profile lies.
func TestHintsNameFilesFromTheCurrentFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "profiles/wifi-password", "correct horse\n", 0o644)
	write(t, "profiles/small.yaml", `cluster: small
user: {ssh_key_files: [id.pub]}
wifi: {country: DE, ssid: home, psk_file: wifi-password}
nodes: [{name: a, role: storage}, {name: b, role: storage}, {name: c, role: storage}]
`, 0o644)
	_, err := Load("profiles/small.yaml", Env{})
	var report Report
	if !errors.As(err, &report) {
		t.Fatal(err)
	}
	var got []string
	for _, m := range report {
		got = append(got, m.Hint)
	}
	want := []string{"make one with: ssh-keygen -t ed25519 -f profiles/id", "chmod 600 profiles/wifi-password"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
