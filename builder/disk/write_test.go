package disk_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/firstboot/host"
)

// overlay is one entry of every kind, and of every kind of trouble.
func overlay(t testing.TB) []disk.Entry {
	source := filepath.Join(t.TempDir(), "a package.deb")
	if err := os.WriteFile(source, []byte(strings.Repeat("deb\x00", 300_000)), 0o644); err != nil {
		t.Fatal(err)
	}
	return []disk.Entry{
		{Path: "/usr/local/bin/berry", Mode: 0o755, Data: []byte("#!/bin/sh\n")},
		{Path: "/etc/hostname", Mode: 0o644, Data: []byte("cluster01\n")},
		{Path: "/etc/shadow", Mode: 0o640, GID: 42, Data: []byte("root:*:20000:0:99999:7:::\n")},
		{Path: "/etc/berry/secrets/key.pem", Mode: 0o600, Data: []byte("-----BEGIN\n")},
		{Path: "/etc/berry/secrets", Kind: disk.Dir, Mode: 0o700},
		{Path: "/etc/empty", Mode: 0o644},
		{Path: "/etc/localtime", Kind: disk.Symlink, Target: "/usr/share/zoneinfo/Europe/Berlin"},
		{Path: "/etc/systemd/system/multi-user.target.wants/ssh.service", Kind: disk.Symlink, Target: "/usr/lib/systemd/system/ssh.service"},
		{Path: "/etc/a-long-link", Kind: disk.Symlink, Target: "/usr/lib/" + strings.Repeat("long-", 30)},
		{Path: "/var/cache/berry/pool/a package.deb", Mode: 0o644, Source: source},
		{Path: `/srv/with blanks/and "quotes".txt`, Mode: 0o644, Data: []byte("quoted\n")},
		{Path: "/srv/näme-ünïcode", Mode: 0o4755, UID: 1000, GID: 100_000, Data: []byte("x")},
		{Path: "/srv/zeros", Mode: 0o644, Data: make([]byte, 1<<20)},
		{Path: "/home/pi", Kind: disk.Dir, Mode: 0o750, UID: 1000, GID: 1000},
	}
}

func TestWrite(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			image := disktest.New(t, disktest.Options{Suite: suite})
			fs4 := openRoot(t, image)
			entries := overlay(t)
			if err := fs4.Write(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			disktest.Judge(t, image)
			wrote := dumpTree(t, image, "/srv")
			if got := mustRead(t, filepath.Join(wrote, "with blanks", `and "quotes".txt`)); got != "quoted\n" {
				t.Errorf("quoted name: debugfs reads %q", got)
			}
			if got := mustRead(t, filepath.Join(wrote, "zeros")); got != string(make([]byte, 1<<20)) {
				t.Errorf("a file of zeros: debugfs reads %d bytes", len(got))
			}
			pool := dumpTree(t, image, "/var/cache/berry")
			if got := mustRead(t, filepath.Join(pool, "pool", "a package.deb")); got != strings.Repeat("deb\x00", 300_000) {
				t.Errorf("a file from this machine: debugfs reads %d bytes", len(got))
			}
			stat := disktest.Run(t, "debugfs", "-R", "stat /srv/näme-ünïcode", device(image, root))
			for _, want := range []string{"Mode:  04755", "User:  1000", "Group: 100000", "Generation: 0 ", "Links: 1"} {
				if !strings.Contains(stat, want) {
					t.Errorf("stat does not say %q:\n%s", want, stat)
				}
			}
			if n := strings.Count(stat, "Tue Sep 15 12:00:00 2026"); n != 4 {
				t.Errorf("%d of four times are the given one:\n%s", n, stat)
			}
			// Folders that were missing are root's, and those that were there keep
			// what is in them.
			infos, err := fs4.Stat(t.Context(), "/etc/berry", "/srv/with blanks", "/home/pi", "/home/pi/.bashrc")
			want := map[string]disk.Info{
				"/etc/berry":       {Kind: disk.Dir, Mode: 0o755, Size: 4096},
				"/srv/with blanks": {Kind: disk.Dir, Mode: 0o755, Size: 4096},
				"/home/pi":         {Kind: disk.Dir, Mode: 0o750, UID: 1000, GID: 1000, Size: 4096},
				"/home/pi/.bashrc": {Kind: disk.File, Mode: 0o644, UID: 1000, GID: 1000, Size: 9},
			}
			if diff := cmp.Diff(want, infos, sameInfo); diff != "" || err != nil {
				t.Errorf("%v, -want +got:\n%s", err, diff)
			}
		})
	}
}

func TestWritingAgainReplaces(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	for range 3 {
		if err := fs4.Write(t.Context(), overlay(t)); err != nil {
			t.Fatal(err)
		}
	}
	disktest.Judge(t, image)
}

// Hashed folders grow, and split, under many new names.
func TestWriteIntoHashedFolders(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			image := disktest.New(t, disktest.Options{Suite: suite})
			var entries []disk.Entry
			for i := range 400 {
				path := fmt.Sprintf("/usr/lib/systemd/system/berry-%d-of-a-long-name.service", i)
				entries = append(entries, disk.Entry{Path: path, Mode: 0o644, Data: []byte(path)})
			}
			fs4 := openRoot(t, image)
			if err := fs4.Write(t.Context(), entries); err != nil {
				t.Fatal(err)
			}
			if err := fs4.Remove(t.Context(), entries[7].Path, "/usr/lib/systemd/system/systemd-example-unit-number-100.service"); err != nil {
				t.Fatal(err)
			}
			disktest.Judge(t, image)
		})
	}
}

func TestWritesAreRepeatable(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			base, entries := disktest.New(t, disktest.Options{Suite: suite}), overlay(t)
			edit := func(entries []disk.Entry) [32]byte {
				image := copyOf(t, base)
				fs4 := openRoot(t, image)
				if err := errors.Join(
					fs4.Rename(t.Context(), "/home/pi", "/home/berry"),
					fs4.Remove(t.Context(), "/etc/timezone"),
					fs4.Write(t.Context(), entries[:len(entries)-1]),
				); err != nil {
					t.Fatal(err)
				}
				return disktest.Digest(t, image)
			}
			first := edit(entries)
			time.Sleep(1100 * time.Millisecond)
			if edit(entries) != first {
				t.Error("the same edits at another time made other bytes")
			}
			entries[0], entries[5], entries[9] = entries[9], entries[0], entries[5]
			if edit(entries) != first {
				t.Error("the same edits in another order made other bytes")
			}
		})
	}
}

func TestWriteRefuses(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	before := disktest.Digest(t, image)
	fs4 := openRoot(t, image)
	huge := filepath.Join(t.TempDir(), "huge")
	if err := errors.Join(os.WriteFile(huge, nil, 0o600), os.Truncate(huge, 1<<30)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		entry disk.Entry
		want  string
	}{
		"a path through a symlink":                {disk.Entry{Path: "/lib/berry.conf"}, "/lib is a symlink to usr/lib; write to the place it leads to"},
		"a path through a file":                   {disk.Entry{Path: "/etc/hostname/x"}, "not a directory"},
		"a file where a folder is":                {disk.Entry{Path: "/home/pi"}, "is to be a file and is a folder"},
		"a folder where a file is":                {disk.Entry{Path: "/etc/hostname", Kind: disk.Dir}, "is to be a folder and is a file"},
		"a folder where a symlink is":             {disk.Entry{Path: "/etc/localtime", Kind: disk.Dir}, "is to be a folder and is a symlink"},
		"a relative path":                         {disk.Entry{Path: "etc/x"}, "not an absolute, plain path"},
		"the root":                                {disk.Entry{Path: "/", Kind: disk.Dir}, "not an absolute, plain path"},
		"a name of two lines":                     {disk.Entry{Path: "/etc/a\nb"}, "line break"},
		"a mode of thirteen bits":                 {disk.Entry{Path: "/etc/x", Mode: 0o10644}, "twelve permission bits"},
		"a negative owner":                        {disk.Entry{Path: "/etc/x", UID: -1}, "no such owner"},
		"a symlink to nowhere":                    {disk.Entry{Path: "/etc/x", Kind: disk.Symlink}, "has a target"},
		"a file with a target":                    {disk.Entry{Path: "/etc/x", Target: "y"}, "has a target"},
		"content given twice":                     {disk.Entry{Path: "/etc/x", Data: []byte("x"), Source: "x"}, "given twice"},
		"a folder with content":                   {disk.Entry{Path: "/etc/x", Kind: disk.Dir, Data: []byte("x")}, "not of a file"},
		"a device":                                {disk.Entry{Path: "/dev/x", Kind: disk.Other}, "cannot be written"},
		"a source that is not there":              {disk.Entry{Path: "/etc/x", Source: "/nothing"}, "no such file"},
		"a source that is a folder":               {disk.Entry{Path: "/etc/x", Source: "/"}, "is not a file"},
		"more than there is room":                 {disk.Entry{Path: "/etc/x", Source: huge}, "give the root partition more room"},
		"a path through a file of the same write": {disk.Entry{Path: "/etc/ok/x"}, "is to be a file and to have files below it"},
	} {
		t.Run(name, func(t *testing.T) {
			ok := disk.Entry{Path: "/etc/ok", Mode: 0o644, Data: []byte("ok")}
			err := fs4.Write(t.Context(), []disk.Entry{ok, c.entry})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	twice := disk.Entry{Path: "/etc/x"}
	if err := fs4.Write(t.Context(), []disk.Entry{twice, twice}); err == nil {
		t.Error("the same path twice: no error")
	}
	if disktest.Digest(t, image) != before {
		t.Error("a refused write has changed the image")
	}
}

func TestRemove(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	gone := []string{"/home/pi/.config", "/home/pi/.config/x", "/etc/localtime", "/etc/timezone", "/etc/nothing", "/var/cache/apt/archives"}
	for range 2 {
		if err := fs4.Remove(t.Context(), gone...); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := fs4.Stat(t.Context(), gone...); len(left) != 0 || err != nil {
		t.Errorf("still there: %v, %v", left, err)
	}
	if err := fs4.Remove(t.Context(), "/etc/ssh"); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder with files in it: got %v", err)
	}
	disktest.Judge(t, image)
}

func TestRename(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.String(), func(t *testing.T) {
			image := disktest.New(t, disktest.Options{Suite: suite})
			fs4 := openRoot(t, image)
			const unit = "/usr/lib/systemd/system/"
			for from, to := range map[string]string{
				"/home/pi":           "/home/berry",
				"/etc/hostname":      "/etc/host name",
				"/etc/localtime":     "/etc/localtime.old",
				unit + "ssh.service": unit + "sshd.service",
			} {
				if err := fs4.Rename(t.Context(), from, to); err != nil {
					t.Fatal(err)
				}
			}
			disktest.Judge(t, image)
			if got, err := fs4.ReadFiles(t.Context(), "/home/berry/.bashrc", "/etc/host name"); err != nil || string(got["/etc/host name"]) != "raspberrypi\n" {
				t.Errorf("got %q, %v", got, err)
			}
			if err := fs4.Rename(t.Context(), "/home/pi", "/home/x"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("what is not there: got %v", err)
			}
			if err := fs4.Rename(t.Context(), "/home/berry", "/home/lost"); err != nil {
				t.Error(err)
			}
			if err := fs4.Rename(t.Context(), "/etc/passwd", "/etc/group"); err == nil {
				t.Error("over a file that is there: no error")
			}
			if err := fs4.Rename(t.Context(), "/etc/passwd", "/passwd"); err == nil {
				t.Error("to another folder: no error")
			}
		})
	}
}

// spy runs commands and remembers what others on the machine could have seen.
type spy struct {
	host.Exec
	t     *testing.T
	temp  string
	seen  []string // command lines
	modes []string // of what lay in the folder for temporary files meanwhile
}

func (s *spy) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	s.seen = append(s.seen, cmd.String())
	res, err := s.Exec.Run(ctx, cmd)
	walkErr := filepath.WalkDir(s.temp, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == s.temp {
			return err
		}
		info, err := d.Info()
		s.modes = append(s.modes, info.Mode().String())
		return err
	})
	if walkErr != nil {
		s.t.Error(walkErr)
	}
	return res, err
}

func TestSecretsAreSeenByNobody(t *testing.T) {
	image := disktest.New(t, disktest.Options{})
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	watch := &spy{t: t, temp: temp}
	tools, err := disk.FindTools(t.Context(), watch)
	if err != nil {
		t.Fatal(err)
	}
	fs4, err := tools.OpenExt4(image, root, disktest.Made)
	if err != nil {
		t.Fatal(err)
	}
	secret := disk.Entry{Path: "/etc/key", Mode: 0o600, Data: []byte("sesame")}
	if err := fs4.Write(t.Context(), []disk.Entry{secret}); err != nil {
		t.Fatal(err)
	}
	if _, err := fs4.ReadFiles(t.Context(), "/etc/key"); err != nil {
		t.Fatal(err)
	}
	if all := strings.Join(watch.seen, "\n"); strings.Contains(all, "sesame") || !strings.Contains(all, "debugfs") {
		t.Errorf("command lines:\n%s", all)
	}
	files := 0
	for _, mode := range watch.modes {
		switch mode {
		case "drwx------":
		case "-rw-------":
			files++
		default:
			t.Errorf("a temporary file with mode %s", mode)
		}
	}
	if files == 0 {
		t.Error("no temporary file was seen: the test looks in the wrong place")
	}
	if left, err := os.ReadDir(temp); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAnInterruptedWriteLeavesNoSecretsBehind(t *testing.T) {
	temp := t.TempDir()
	image := disktest.New(t, disktest.Options{})
	fs4 := openRoot(t, image)
	t.Setenv("TMPDIR", temp)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	err := fs4.Write(ctx, []disk.Entry{{Path: "/etc/key", Data: []byte("sesame")}})
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Errorf("got %v, want the reason of the interruption", err)
	}
	if left, err := os.ReadDir(temp); len(left) != 0 || err != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
