//go:build lab

package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
	"berries/firstboot/status"
)

func lookAtNodes(t *testing.T, l *Lab) {
	for _, name := range names {
		states, starts := steps(t, l, name)
		if states["packages"] != status.Done || starts != 1 {
			t.Errorf("%s: start %d, %v\n%s", name, starts, states, ask(t, l, name, "journalctl -b -u berry-firstboot --no-pager | grep -B 3 'failed\\|exit [1-9]'"))
		}
		const script = "hostname; systemctl is-system-running --wait; cat /proc/1/comm; findmnt -no FSTYPE /export; which glusterd apache2"
		want := name + "\nrunning\nsystemd\next4\n/usr/sbin/glusterd\n/usr/sbin/apache2"
		if diff := cmp.Diff(want, ask(t, l, name, script)); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, script, diff)
		}
	}
}

func openAgain(t *testing.T, l *Lab) {
	again, err := Open(l.dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []State{}
	for i, name := range names {
		leader, _, err := l.Leader(name)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, State{Name: name, Role: "storage", State: Ready, Leader: leader,
			Namespace: l.Namespace(name), Address: home.host(firstHosts + i + 1)})
	}
	got, err := again.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if err := again.Start(t.Context(), names[0]); err == nil || err.Error() != names[0]+" is on already" {
		t.Errorf("it could be started twice: %v", err)
	}
	if _, err := New(t.Context(), l.dir); err == nil {
		t.Error("there could be a second lab in its folder")
	}
}

func askForNames(t *testing.T, l *Lab) {
	for i, name := range names {
		other := names[(i+1)%len(names)]
		got := ask(t, l, name, "getent ahostsv4 "+other+".local | cut -d' ' -f1 | uniq")
		if want := home.host(firstHosts + (i+1)%len(names) + 1).String(); got != want {
			t.Errorf("%s takes %s for %q, want %s", name, other, got, want)
		}
	}
}

func shutDown(t *testing.T, l *Lab) {
	const name = "cluster01"
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	if err := l.Stop(ctx, name); err != nil {
		t.Fatal(err)
	}
	if s, err := l.State(t.Context(), name); err != nil || s.State != Off {
		t.Fatalf("%+v, %v", s, err)
	}
	boot(t, l, name)
	lookAgain(t, l, name, 2)
	l.Exec(t.Context(), name, "systemctl", "poweroff") // may end with the node
	within(t, bootLimit, "it has gone off by itself", func() bool {
		s, err := l.State(t.Context(), name)
		return err == nil && s.State == Off
	})
	boot(t, l, name)
	lookAgain(t, l, name, 3)
}

// lookAgain checks a node that was set up before: its first looks found everything
// done that outlasts a boot.
func lookAgain(t *testing.T, l *Lab, name string, wantStarts int) {
	t.Helper()
	states, starts := steps(t, l, name)
	if len(states) == 0 || starts != wantStarts {
		t.Errorf("start %d, %v", starts, states)
	}
	for _, step := range []string{"identity", "card", "packages"} {
		if states[step] != status.AlreadyDone {
			t.Errorf("step %s: %s", step, states[step])
		}
	}
}

// boot starts a node that was set up before.
func boot(t *testing.T, l *Lab, name string) {
	t.Helper()
	began := time.Now()
	if err := l.Start(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	ready(t, l, bootLimit, name)
	t.Logf("%s ready %.1fs after it was started", name, time.Since(began).Seconds())
}

func cutPower(t *testing.T, l *Lab) {
	const name = "cluster02"
	ask(t, l, name, "echo kept | tee /etc/kept /export/kept; sync; systemd-run --quiet sleep 12345; setsid sleep 12345 >/dev/null 2>&1 &")
	if len(running(t, "12345")) == 0 {
		t.Fatal("there is nothing on it that a cut could kill")
	}
	if err := l.Cut(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if left := running(t, "12345"); len(left) > 0 {
		t.Errorf("still running: %v", left)
	}
	if _, err := l.Exec(t.Context(), name, "true"); err == nil || err.Error() != name+" is off; start it first" {
		t.Errorf("a command on a node without power: %v", err)
	}
	boot(t, l, name)
	lookAgain(t, l, name, 2)
	if got := ask(t, l, name, "cat /etc/kept /export/kept"); got != "kept\nkept" {
		t.Errorf("the card holds %q", got)
	}
}

// running are the command lines of this machine's processes that have a word in them.
func running(t *testing.T, word string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d processes: %v", len(files), err)
	}
	var found []string
	for _, file := range files {
		text, _ := os.ReadFile(file) // it may have ended
		if line := strings.ReplaceAll(string(text), "\x00", " "); strings.Contains(line, word) {
			found = append(found, line)
		}
	}
	return found
}

func wipe(t *testing.T, l *Lab) {
	const name = "cluster02"
	id := ask(t, l, name, "cat /etc/machine-id")
	if err := l.Wipe(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	within(t, bootLimit, "it installs packages", func() bool {
		s, err := l.State(t.Context(), name)
		return err == nil && strings.Contains(s.Step, "packages: installing")
	})
	if err := l.Cut(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if err := l.Start(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	ready(t, l, setUpLimit, name)
	if states, starts := steps(t, l, name); states["packages"] != status.Done || starts != 2 {
		t.Errorf("start %d, %v", starts, states)
	}
	if got := ask(t, l, name, "ls /etc/kept /export/kept 2>/dev/null; dpkg --audit"); got != "" {
		t.Errorf("the new card holds %s", got)
	}
	if ask(t, l, name, "cat /etc/machine-id") == id {
		t.Error("it is the same machine as before")
	}
	within(t, askLimit, "it has its address again", func() bool {
		s, err := l.State(t.Context(), name)
		return err == nil && s.Address == home.host(firstHosts+2)
	})
}

// heard tells whether an address answers a stranger, in a second.
func heard(t *testing.T, s *Stranger, a netip.Addr) bool {
	t.Helper()
	_, err := s.Run(t.Context(), host.Command("ping", "-n", "-c", "1", "-W", "1", a.String()))
	if err != nil && host.ExitCode(err) != 1 { // ping(8): no answer
		t.Fatal(err)
	}
	return err == nil
}

func pullCable(t *testing.T, l *Lab) {
	s, err := l.Attach(t.Context(), "stranger", netip.MustParseAddr("192.168.2.200"))
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		do   func(context.Context, string) error
		want bool
	}{{l.Plug, true}, {l.Unplug, false}, {l.Plug, true}} {
		if err := step.do(t.Context(), names[2]); err != nil {
			t.Fatal(err)
		}
		within(t, askLimit, fmt.Sprintf("heard: %v", step.want), func() bool { return heard(t, s, home.host(firstHosts+3)) == step.want })
		if !heard(t, s, home.host(firstHosts+1)) {
			t.Errorf("%s is not heard either", names[0])
		}
	}
}

func renumber(t *testing.T, l *Lab) {
	s := &Stranger{"stranger", netip.MustParseAddr("192.168.2.200"), l}
	for range 2 {
		old, err := l.addressNow(t.Context(), names[2])
		if err != nil {
			t.Fatal(err)
		}
		address, err := l.Renumber(t.Context(), names[2])
		if err != nil || address == old {
			t.Fatalf("from %s to %s: %v", old, address, err)
		}
		began := time.Now()
		within(t, askLimit, "it is at "+address.String(), func() bool { return heard(t, s, address) })
		t.Logf("it was at %s after %.1fs", address, time.Since(began).Seconds())
		if heard(t, s, old) {
			t.Errorf("it still is at %s", old)
		}
	}
}

func takeDown(t *testing.T, l *Lab, before string) {
	up := traces(t, l)
	for _, kind := range []string{"process", "mounts of process", "loop device", "cgroup", "namespace", "file"} {
		if !strings.Contains(up, kind+" ") {
			t.Fatalf("traces finds no %s of a lab that is up:\n%s", kind, up)
		}
	}
	began := time.Now()
	if err := l.Down(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Logf("down after %.1fs", time.Since(began).Seconds())
	if left := traces(t, l); left != "" {
		t.Errorf("left:\n%s", left)
	}
	if diff := cmp.Diff(before, mounts(t)); diff != "" {
		t.Errorf("this machine's mounts (-before +after):\n%s", diff)
	}
}
