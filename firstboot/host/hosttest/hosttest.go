// Package hosttest makes a Host for unit tests: files in a temporary directory,
// a runner that plays a transcript, units and a clock that do as they are told.
package hosttest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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
		HTTP:        Server(func(*http.Request) (int, string) { return 0, "" }),
		UDP:         Silence{},
		Listen:      func(context.Context, netip.AddrPort) (net.Listener, error) { return nil, syscall.EADDRINUSE },
		Lookup:      func(context.Context, string) ([]netip.Addr, error) { return nil, errors.New("no such host") },
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

// Path is where a name of the tree lies on the test machine.
func (h *Host) Path(name string) string { return filepath.Join(h.dir, name) }

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

// Stop implements host.Units.
func (u *Units) Stop(_ context.Context, unit string) error { return u.ask("stop", unit) }

// Enable implements host.Units.
func (u *Units) Enable(_ context.Context, units ...string) error { return u.ask("enable", units...) }

// Mask implements host.Units.
func (u *Units) Mask(_ context.Context, units ...string) error { return u.ask("mask", units...) }

// Reload implements host.Units.
func (u *Units) Reload(context.Context) error { return u.ask("reload") }

// Active implements host.Units: what was started is active until it is stopped.
func (u *Units) Active(_ context.Context, unit string) (bool, error) {
	for _, asked := range slices.Backward(u.Asked) {
		switch asked {
		case "start " + unit, "restart " + unit:
			return true, nil
		case "stop " + unit:
			return false, nil
		}
	}
	return false, nil
}

// Server answers every request with a status and a header, Berry-Site; where the
// status is 0 nobody listens. It is a http.RoundTripper.
type Server func(r *http.Request) (status int, site string)

// RoundTrip implements http.RoundTripper.
func (s Server) RoundTrip(r *http.Request) (*http.Response, error) {
	status, site := s(r)
	if status == 0 {
		return nil, syscall.ECONNREFUSED
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status, " ", http.StatusText(status)),
		Header: http.Header{"Berry-Site": {site}}, Body: http.NoBody, Request: r,
	}, nil
}

// Silence is a network on which this machine is Own, and nobody answers.
type Silence struct{}

// Own is this machine's address.
var Own = netip.MustParseAddr("192.168.2.5")

// Source implements host.UDP.
func (Silence) Source(netip.Addr) (netip.Addr, error) { return Own, nil }

// Ask implements host.UDP.
func (Silence) Ask(ctx context.Context, _ netip.Addr, _ netip.AddrPort, _ []byte, _ time.Duration, _ func(netip.AddrPort, []byte) bool) error {
	return context.Cause(ctx)
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
