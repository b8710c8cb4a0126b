// Package hosttest makes a Host for unit tests: files in a temporary directory,
// a runner that plays a transcript, units and a clock that do as they are told.
package hosttest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
)

// Host is a host.Host of a test's own.
type Host struct {
	*host.Host
	Units *Units
	dir   string
	t     testing.TB
}

// New makes a Host whose file tree holds files, by their absolute names, and
// whose runner expects exactly the commands of the transcript. A name that ends
// with a slash is a directory, a content that starts with "-> " the target of a
// symbolic link.
func New(t testing.TB, files map[string]string, transcript ...Exchange) *Host {
	t.Helper()
	dir := t.TempDir()
	tree, err := host.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	h := &Host{t: t, dir: dir, Units: &Units{}}
	h.Host = &host.Host{
		Files:       tree,
		Runner:      newTranscript(t, transcript),
		Units:       h.Units,
		Clock:       &Clock{},
		SetHostname: func(name string) error { h.Write("/proc/sys/kernel/hostname", name+"\n"); return nil },
	}
	for name, content := range files {
		h.Write(name, content)
	}
	return h
}

// Write puts one file in place, under the rules of New.
func (h *Host) Write(name, content string) {
	h.t.Helper()
	full := filepath.Join(h.dir, name)
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
		h.t.Fatal(err)
	}
}

// Remove takes a file or a directory away.
func (h *Host) Remove(name string) {
	h.t.Helper()
	if err := os.RemoveAll(filepath.Join(h.dir, name)); err != nil {
		h.t.Fatal(err)
	}
}

// Read returns a file's content, or what a symbolic link says as "-> target",
// or "" where there is nothing.
func (h *Host) Read(name string) string {
	h.t.Helper()
	target, err := h.Files.Target(name)
	if err == nil && target != "" {
		return "-> " + target
	}
	data, err := h.Files.Read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(data)
}

// Units is a systemd that remembers what it was asked to do.
type Units struct {
	Asked []string                 // such as "start export.mount"
	Then  func(asked string) error // what comes of it, when set
}

func (u *Units) ask(verb string, units ...string) error {
	asked := strings.Join(append([]string{verb}, units...), " ")
	u.Asked = append(u.Asked, asked)
	if u.Then == nil {
		return nil
	}
	return u.Then(asked)
}

// Start implements host.Units.
func (u *Units) Start(_ context.Context, unit string) error { return u.ask("start", unit) }

// Restart implements host.Units.
func (u *Units) Restart(_ context.Context, unit string) error { return u.ask("restart", unit) }

// Enable implements host.Units.
func (u *Units) Enable(_ context.Context, units ...string) error { return u.ask("enable", units...) }

// Mask implements host.Units.
func (u *Units) Mask(_ context.Context, units ...string) error { return u.ask("mask", units...) }

// Active implements host.Units: what was started is active.
func (u *Units) Active(_ context.Context, unit string) (bool, error) {
	return slices.Contains(u.Asked, "start "+unit), nil
}

// Clock is a clock that goes on by a tenth of a second whenever it is read, and
// sleeps without waiting.
type Clock struct{ now time.Time }

// Now implements host.Clock.
func (c *Clock) Now() time.Time {
	c.now = c.now.Add(100 * time.Millisecond)
	return c.now
}

// Sleep implements host.Clock.
func (c *Clock) Sleep(ctx context.Context, d time.Duration) error {
	c.now = c.now.Add(d)
	return context.Cause(ctx)
}
