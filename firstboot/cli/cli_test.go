package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// machine is a node to run commands on.
type machine struct {
	*hosttest.Host
	node   string   // where its node file lies
	notify []string // what systemd was told
	ctx    context.Context
	t      *testing.T
}

// newMachine is a node of that role which its builder has named already. It has
// no card.
func newMachine(t *testing.T, role string) *machine {
	m := &machine{t: t, ctx: t.Context(), node: filepath.Join(t.TempDir(), "node.json")}
	m.Host = hosttest.New(t, map[string]string{
		"/run/":                     "",
		"/etc/hostname":             "pi1\n",
		"/proc/sys/kernel/hostname": "pi1\n",
		"/proc/self/mountinfo":      "1 1 0:2 / / rw - tmpfs tmpfs rw\n",
		"/etc/hosts":                "127.0.1.1 pi1\n",
		"/etc/localtime":            "-> /usr/share/zoneinfo/Etc/UTC",
		"/etc/timezone":             "Etc/UTC\n",
		"/etc/default/locale":       "LANG=C.UTF-8\n",
	})
	f := node.File{Version: node.Version, Cluster: "berries", Name: "pi1", Role: role, TimeZone: "Etc/UTC", Locale: "C.UTF-8"}
	if role != node.Balancer {
		f.Brick = &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"}
	}
	data, err := node.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(m.node, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// types runs one command and gives what it printed and its exit code.
func (m *machine) types(command string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	code = Main(m.ctx, Env{
		Args: strings.Fields(command), Stdout: &out, Stderr: &err, Host: m.Host.Host, Node: m.node, Version: "v1",
		Notify: func(state string) { m.notify = append(m.notify, state) },
	})
	return out.String(), err.String(), code
}

// want types a command and compares all that comes of it.
func (m *machine) want(command, stdout, stderr string, code int) {
	m.t.Helper()
	gotOut, gotErr, gotCode := m.types(command)
	if diff := cmp.Diff(stdout, gotOut); diff != "" {
		m.t.Errorf("%s: stdout (-want +got):\n%s", command, diff)
	}
	if diff := cmp.Diff(stderr, gotErr); diff != "" {
		m.t.Errorf("%s: stderr (-want +got):\n%s", command, diff)
	}
	if gotCode != code {
		m.t.Errorf("%s: exit code %d, want %d", command, gotCode, code)
	}
}

func TestCommandLine(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.want("version", "berry-firstboot v1, node file version 1\n", "", 0)
	m.want("help", help, "", 0)
	m.want("--help", help, "", 0)
	m.want("", "", "berry-firstboot: no command; type: berry-firstboot help\n", 2)
	m.want("dance", "", "berry-firstboot: unknown command \"dance\"; type: berry-firstboot help\n", 2)
	m.want("run fast", "", "berry-firstboot: unexpected argument \"fast\"; type: berry-firstboot help\n", 2)
	m.want("status --yaml", "", "berry-firstboot: unexpected argument \"--yaml\"; type: berry-firstboot help\n", 2)
}

func TestAFirstBootAndTheNext(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.Write("/etc/hostname", "raspberrypi\n")
	m.want("status", "", "berry-firstboot: it has not run on this machine yet; type: systemctl status berry-firstboot\n", 1)
	m.want("run", "berry-firstboot: step 1/1 identity: done (0.3s)\nberry-firstboot: ready\n", "", 0)
	told := []string{
		"STATUS=step 1/1 identity: running",
		"STATUS=step 1/1 identity: writing /etc/hostname",
		"STATUS=step 1/1 identity: done (0.3s)",
		"STATUS=ready\nREADY=1",
	}
	if diff := cmp.Diff(told, m.notify); diff != "" {
		t.Errorf("systemd was told (-want +got):\n%s", diff)
	}
	m.want("status", "pi1, balancer node of berries, start 1\nstep 1/1 identity: done (0.3s)\nready\n", "", 0)
	m.want("run", "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n", "", 0)
	m.want("status", "pi1, balancer node of berries, start 2\nstep 1/1 identity: already done (0.2s)\nready\n", "", 0)
	m.want("status --json", m.Read(status.Path), "", 0)
}

func TestAFailedStep(t *testing.T) {
	m := newMachine(t, node.Storage)
	const why = "failed: the root filesystem is not on a partition of a card\n"
	m.want("run", "berry-firstboot: step 1/2 identity: already done (0.2s)\nberry-firstboot: step 2/2 card: "+why, "", 1)
	m.want("status", "pi1, storage node of berries, start 1\nstep 1/2 identity: already done (0.2s)\nstep 2/2 card: "+why, "", 1)
	if last := m.notify[len(m.notify)-1]; strings.Contains(last, "READY") {
		t.Errorf("systemd was told %q", last)
	}
}

func TestANodeFileThatCannotBeUsed(t *testing.T) {
	m := newMachine(t, node.Balancer)
	if err := os.Chmod(m.node, 0o644); err != nil {
		t.Fatal(err)
	}
	m.want("run", "", "berry-firstboot: node file "+m.node+": its mode is -rw-r--r--, want -rw-------; type: chmod 600 "+m.node+"\n", 3)
	if err := os.Remove(m.node); err != nil {
		t.Fatal(err)
	}
	m.want("run", "", "berry-firstboot: node file "+m.node+": no such file or directory\n", 3)
}

func TestAStatusFileThatCannotBeUsedStopsNothing(t *testing.T) {
	const ready = "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n"
	m := newMachine(t, node.Balancer)
	m.Write(status.Path, "\x00\x00\x00")
	const broken = "berry-firstboot: status file /var/lib/berry/status.json cannot be read: invalid character '\\x00' looking for beginning of value\n"
	m.want("run", ready, broken, 0)
	m.want("run", ready, "", 0)
	m.Remove("/var")
	m.Write("/var", "not a directory")
	stdout, stderr, code := m.types("run")
	if stdout != ready || code != 0 || !strings.Contains(stderr, "cannot make directory /var/lib/berry: file exists") {
		t.Errorf("without a place for the status file: %d\n%s%s", code, stdout, stderr)
	}
}

func TestASignalStopsTheRun(t *testing.T) {
	m := newMachine(t, node.Balancer)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated signal received"))
	m.ctx = ctx
	m.want("run", "", "berry-firstboot: stopped: terminated signal received\n", 4)
	m.want("status", "pi1, balancer node of berries, start 1\nstep 1/1 identity: running\n", "", 1)
}

func TestASecondRunIsKeptOut(t *testing.T) {
	m := newMachine(t, node.Balancer)
	unlock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	m.want("run", "", "berry-firstboot: another berry-firstboot is at work on this machine; type: journalctl -fu berry-firstboot\n", 1)
}
