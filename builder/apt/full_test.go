package apt

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/gob"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"berries/builder/apt/apttest"
)

// TestBuildOnAFullDisk has a child process build that may not write files above
// a size, which is as much of a full disk as an ordinary user can have: the
// kernel says EFBIG in place of ENOSPC. (builder/fetch explains both alike.)
func TestBuildOnAFullDisk(t *testing.T) {
	big := slices.Clone(archive)
	noise := make([]byte, 64<<10)
	state := sha256.Sum256(nil)
	for i := range noise {
		if i%32 == 0 {
			state = sha256.Sum256(state[:])
		}
		noise[i] = state[i%32]
	}
	big[0].Files = map[string]string{"/usr/share/a": string(noise)}
	m := apttest.New(t, apttest.Options{Debs: big})
	w := newWork(t, m)
	tests := []struct {
		name string
		do   childTask
		err  string
	}{
		{"an index", childTask{Do: "lock", MaxFile: 600}, "the disk of " + w.Cache + " is full; make room there, or take another folder with --cache"},
		{"the lock itself", childTask{Do: "relock", MaxFile: 200}, "cannot write the lock: "},
		{"a package", childTask{Do: "pool", MaxFile: 32 << 10}, "cannot get package a 1.0-1 (arm64): cannot download " + m.URL},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.do.Do != "lock" {
				checkErr(t, w.lock(t.Context()), "")
			}
			before, _ := os.ReadFile(w.Path)
			tt.do.Work = w
			checkErr(t, child(t, tt.do), tt.err)
			if after, _ := os.ReadFile(w.Path); string(after) != string(before) {
				t.Errorf("the lock was changed to %d bytes", len(after))
			}
			for _, name := range sortedNames(t, filepath.Dir(w.Path)) {
				if name != "berries.lock.yaml" {
					t.Errorf("%s was left beside the lock", name)
				}
			}
			w.checkCache(t)
		})
	}
}

func sortedNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	checkErr(t, err, "")
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// childEnv carries a childTask to a process of its own, since a limit is one of
// a whole process.
const childEnv = "APT_TEST_CHILD"

type childTask struct {
	Do      string // "lock", "relock" or "pool"
	Work    work
	MaxFile uint64 // bytes that a file may grow to
}

func TestMain(m *testing.M) {
	task := os.Getenv(childEnv)
	if task == "" {
		os.Exit(m.Run())
	}
	if err := runChild(task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runChild(task string) error {
	text, err := hex.DecodeString(task)
	if err != nil {
		return err
	}
	var do childTask
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&do); err != nil {
		return err
	}
	signal.Ignore(syscall.SIGXFSZ) // so that a write beyond the limit is an error, not the end
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: do.MaxFile, Max: do.MaxFile}); err != nil {
		return err
	}
	switch do.Do {
	case "lock":
		return do.Work.lock(context.Background())
	case "relock":
		l, err := ReadLock(do.Work.Path)
		if err != nil {
			return err
		}
		return l.Write(do.Work.Path)
	}
	_, err = do.Work.pool(context.Background())
	return err
}

// child runs this test binary to do that, and returns the error it met.
func child(t *testing.T, do childTask) error {
	t.Helper()
	var b bytes.Buffer
	checkErr(t, gob.NewEncoder(&b).Encode(do), "")
	self, err := os.Executable()
	checkErr(t, err, "")
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childEnv+"="+hex.EncodeToString(b.Bytes()), "GORACE=atexit_sleep_ms=0", "TMPDIR="+t.TempDir())
	_, err = cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return errors.New(strings.TrimSpace(string(failed.Stderr)))
	}
	return err
}
