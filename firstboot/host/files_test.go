package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes a file tree in a temporary directory: a value that starts with
// "-> " is a symbolic link, a name that ends with "/" a directory.
func tree(t *testing.T, entries map[string]string) (*Files, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "root")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range entries {
		full := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		target, isLink := strings.CutPrefix(content, "-> ")
		switch {
		case err != nil:
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(full, 0o755)
		case isLink:
			err = os.Symlink(target, full)
		default:
			err = os.WriteFile(full, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { files.Close() })
	return files, dir
}

func TestReadFollowsLinksInsideTheRoot(t *testing.T) {
	files, dir := tree(t, map[string]string{
		"etc/hostname":  "cluster01\n",
		"relative":      "-> etc/hostname",
		"absolute":      "-> /etc/hostname",
		"chain":         "-> /absolute",
		"folder":        "-> /etc",
		"run/here":      "-> ../folder/hostname",
		"climb":         "-> ../../../../etc/hostname",
		"etc/up":        "-> ..",
		"sys/dev/3":     "-> ../devices/card/part",
		"sys/devices/":  "",
		"loop":          "-> /loop",
		"out":           "-> ../../outside",
		"absoluteout":   "-> /outside",
		"loop2/a/":      "",
		"loop2/a/again": "-> /loop2/a/again/again",
	})
	if err := os.MkdirAll(filepath.Join(dir, "sys/devices/card/part"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{"sys/devices/card/size": "8\n", "../outside": "secret\n"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name, want string
		err        error
	}{
		{"/etc/hostname", "cluster01\n", nil},
		{"etc/hostname", "cluster01\n", nil},
		{"//etc/./hostname", "cluster01\n", nil},
		{"/relative", "cluster01\n", nil},
		{"/absolute", "cluster01\n", nil},
		{"/chain", "cluster01\n", nil},
		{"/folder/hostname", "cluster01\n", nil},
		{"/run/here", "cluster01\n", nil},
		{"/climb", "cluster01\n", nil},
		{"/etc/up/etc/hostname", "cluster01\n", nil},
		{"/sys/dev/3/../size", "8\n", nil},
		{"/../../etc/hostname", "cluster01\n", nil},
		{"/loop", "", syscall.ELOOP},
		{"/loop2/a/again", "", syscall.ELOOP},
		{"/out", "", fs.ErrNotExist},
		{"/absoluteout", "", fs.ErrNotExist},
		{"/../outside", "", fs.ErrNotExist},
		{"/etc/hostname/below", "", syscall.ENOTDIR},
		{"/etc", "", syscall.EISDIR},
	}
	for _, tt := range tests {
		got, err := files.Read(tt.name)
		if string(got) != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Read(%q) = %q, %v; want %q, %v", tt.name, got, err, tt.want, tt.err)
		}
	}
}

func TestErrorsNameTheFileAsItWasAsked(t *testing.T) {
	files, _ := tree(t, map[string]string{"folder": "-> /etc", "etc/": ""})
	_, err := files.Read("/folder/hostname")
	if want := "cannot read /folder/hostname: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	err = files.Replace("/run/x", nil, 0o644)
	if want := "cannot replace /run/x: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// The peer service and a step change /etc/hosts at the same time.
func TestTwoEditAFileAtOnce(t *testing.T) {
	files, _ := tree(t, map[string]string{"etc/hosts": "0\n"})
	const each = 30
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range each {
				err := files.Edit("/etc/hosts", 0o644, func(text string) string { return text + "x" })
				if err == nil {
					err = files.Replace("/etc/hostname", []byte("cluster01\n"), 0o644)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if got, err := files.Read("/etc/hosts"); len(got) != len("0\n")+4*each || err != nil {
		t.Errorf("%d edits left %q, %v", 4*each, got, err)
	}
}

func TestReplace(t *testing.T) {
	files, dir := tree(t, map[string]string{
		"etc/default/locale": "-> ../locale.conf",
		"etc/locale.conf":    "LANG=C\n",
		"etc/hosts":          "old\n",
		"etc/.new.berry-new": "left by a power cut",
	})
	before, err := os.Open(filepath.Join(dir, "etc/hosts"))
	if err != nil {
		t.Fatal(err)
	}
	defer before.Close()
	for name, mode := range map[string]fs.FileMode{
		"/etc/hosts": 0o644, "/etc/default/locale": 0o644, "/etc/new": 0o600,
	} {
		if err := files.Replace(name, []byte("new\n"), mode); err != nil {
			t.Fatal(err)
		}
		info, err := files.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := files.Read(name); string(got) != "new\n" || err != nil {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
		if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", name, info.Mode(), mode)
		}
	}
	old := make([]byte, 4)
	if n, _ := before.Read(old); string(old[:n]) != "old\n" {
		t.Errorf("whoever had /etc/hosts open sees %q: it was edited, not replaced", old[:n])
	}
	if got, _ := files.Target("/etc/default/locale"); got != "../locale.conf" {
		t.Errorf("the link /etc/default/locale became %q", got)
	}
	names, err := files.List("/etc")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"default", "hosts", "locale.conf", "new"}, names); diff != "" {
		t.Errorf("left in /etc (-want +got):\n%s", diff)
	}
}

func TestAFailedReplaceLeavesNothing(t *testing.T) {
	files, _ := tree(t, map[string]string{"etc/hosts/": ""})
	if err := files.Replace("/etc/hosts", []byte("x"), 0o644); err == nil {
		t.Fatal("a directory was replaced by a file")
	}
	if names, err := files.List("/etc"); len(names) != 1 || err != nil {
		t.Errorf("left in /etc: %q, %v", names, err)
	}
}

func TestLinkReplacesWhateverWasThere(t *testing.T) {
	files, _ := tree(t, map[string]string{"etc/file": "x", "etc/link": "-> elsewhere", "etc/dangling": "-> nowhere"})
	for _, name := range []string{"/etc/file", "/etc/link", "/etc/dangling", "/etc/new"} {
		if got, err := files.Target("/etc/new"); got != "" || err != nil {
			t.Errorf("Target of a link that is not there: %q, %v", got, err)
		}
		if err := files.Link(name, "../usr/share/zoneinfo/Etc/UTC"); err != nil {
			t.Fatal(err)
		}
		if got, err := files.Target(name); got != "../usr/share/zoneinfo/Etc/UTC" || err != nil {
			t.Errorf("%s links to %q, %v", name, got, err)
		}
	}
	if got, err := files.Target("/etc"); got != "" || err != nil {
		t.Errorf("Target of a directory: %q, %v", got, err)
	}
}

func TestMkdirMakesWhatIsMissing(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	files, dir := tree(t, map[string]string{"export/": "", "there": "-> /export"})
	if err := os.Chmod(filepath.Join(dir, "export"), 0o711); err != nil {
		t.Fatal(err)
	}
	if err := files.Mkdir("/there/a/brick", 0o750); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{"/export": 0o711, "/export/a": 0o755, "/export/a/brick": 0o750} {
		info, err := files.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if !info.IsDir() || info.Mode().Perm() != want {
			t.Errorf("%s is %v, want a directory with %v", name, info.Mode(), want)
		}
	}
	if err := files.Mkdir("/there/a/brick", 0o777); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if info, _ := files.Stat("/export/a/brick"); info.Mode().Perm() != 0o750 {
		t.Errorf("a second time changed the mode to %v", info.Mode())
	}
}

func TestRenameMovesAWholeDirectory(t *testing.T) {
	files, _ := tree(t, map[string]string{"var/pool/a.deb": "x", "var/file": "new", "var/old": "old", "lib": "-> /var"})
	for from, to := range map[string]string{"/lib/pool": "/var/gone", "/var/file": "/lib/old"} {
		if err := files.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"/var/gone/a.deb": "x", "/var/old": "new"} {
		if got, err := files.Read(name); string(got) != want || err != nil {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	err := files.Rename("/var/pool", "/var/again")
	if want := "cannot rename /var/pool to /var/again: no such file or directory"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestRemoveStopsAtLinks(t *testing.T) {
	files, _ := tree(t, map[string]string{"pool/a/b.deb": "x", "pool/out": "-> /kept", "kept/file": "x", "link": "-> /kept", "file": "x"})
	for _, name := range []string{"/pool", "/link", "/file", "/file", "/nowhere/at/all"} {
		if err := files.Remove(name); err != nil {
			t.Error(err)
		}
	}
	names, err := files.List("/")
	if diff := cmp.Diff([]string{"kept"}, names); diff != "" || err != nil {
		t.Errorf("left (-want +got), %v:\n%s", err, diff)
	}
	if !files.Exists("/kept/file") {
		t.Error("what a link led to was removed")
	}
}

func TestOverwriteKeepsTheFileThatThereIs(t *testing.T) {
	files, dir := tree(t, map[string]string{"short": "old", "long": "something longer"})
	path := func(name string) string { return filepath.Join(dir, name) }
	before, err := os.Stat(path("short"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/short", "/long", "/none"} {
		if err := files.Overwrite(name, []byte("new")); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, err := os.ReadFile(path(name)); string(got) != "new" || err != nil {
			t.Errorf("%s is %q, %v", name, got, err)
		}
	}
	if after, err := os.Stat(path("short")); err != nil || !os.SameFile(before, after) {
		t.Errorf("it is another file now, %v", err)
	}
}

func TestSetMakesNoFile(t *testing.T) {
	files, dir := tree(t, map[string]string{"sys/devices/led/trigger": "[mmc0]\n", "sys/class/leds/ACT": "-> ../../devices/led"})
	if err := files.Set("/sys/class/leds/ACT/trigger", "timer"); err != nil {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "sys/devices/led/trigger")); string(got) != "timer" {
		t.Errorf("the value is %q", got)
	}
	if err := files.Set("/sys/class/leds/ACT/none", "1"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a value that there is not: %v", err)
	}
}
