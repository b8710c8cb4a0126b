package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// childEnv carries a childTask to a process of its own: what concerns a whole
// process (its environment, its limits, being killed) cannot be tested in this one.
const childEnv = "FETCH_TEST_CHILD"

// childTask is what a child process does; then it prints the path it got, or
// the error, and ends.
type childTask struct {
	Cache   string
	Request Request
	Source  *Source // instead of the Request
	MaxFile uint64  // bytes that a file may grow to, as if the disk were full then; 0: any number
}

func TestMain(m *testing.M) {
	if task := os.Getenv(childEnv); task != "" {
		os.Exit(runChild(task))
	}
	os.Exit(m.Run())
}

func runChild(task string) int {
	var do childTask
	err := json.Unmarshal([]byte(task), &do)
	if err == nil && do.MaxFile > 0 {
		signal.Ignore(syscall.SIGXFSZ) // so that a write beyond the limit is an error, not the end
		err = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: do.MaxFile, Max: do.MaxFile})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	path, err := do.run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(path)
	return 0
}

func (do childTask) run() (string, error) {
	c := &Client{Cache: do.Cache}
	if do.Source == nil {
		return c.Get(context.Background(), do.Request)
	}
	c.Runner = host.Exec{}
	base, err := c.Base(context.Background(), *do.Source)
	return base.Path, err
}

// child prepares this test binary to do that, with env added to its environment.
func child(t *testing.T, do childTask, env ...string) *exec.Cmd {
	t.Helper()
	b, err := json.Marshal(do)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(append(os.Environ(), childEnv+"="+string(b), "GORACE=atexit_sleep_ms=0", "TMPDIR="+t.TempDir()), env...)
	return cmd
}

// output runs a child to its end: the path it got, or the error it met.
func output(cmd *exec.Cmd) (string, error) {
	out, err := cmd.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = errors.New(strings.TrimSpace(string(failed.Stderr)))
	}
	return strings.TrimSpace(string(out)), err
}
