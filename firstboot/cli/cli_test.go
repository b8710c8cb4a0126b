package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// machine is a node to run commands on.
type machine struct {
	*hosttest.Host
	node   string   // where its node file lies
	notify []string // what systemd was told
	told   func(state string)
	ctx    context.Context
	others *others
	root   bool
	t      *testing.T
}

// others is a peer service that finds nobody, and keeps what it would tell them.
type others struct {
	state func() peers.State
	fails error
}

func (o *others) Run(ctx context.Context) error {
	if o.fails == nil {
		<-ctx.Done()
	}
	return o.fails
}
func (o *others) Peers() []peers.Peer      { return nil }
func (o *others) Addresses() []netip.Addr  { return nil }
func (o *others) Changes() <-chan struct{} { return nil }
func (o *others) Fetch(context.Context, string, string) (io.ReadCloser, error) {
	return nil, errors.New("there is nobody")
}
func (o *others) Handle(string, peers.Who, http.Handler) {}

// newMachine is a node of that role which its builder has named already. It has
// no card.
func newMachine(t *testing.T, role string) *machine {
	m := &machine{t: t, ctx: t.Context(), others: &others{}, node: filepath.Join(t.TempDir(), "node.json")}
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
	f := node.File{Version: node.Version, Cluster: "berries", Name: "pi1", Role: role, TimeZone: "Etc/UTC", Locale: "C.UTF-8",
		ID: "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11", Nodes: []node.Node{{Name: "pi1", Role: role}}}
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
		Args: strings.Fields(command), Stdout: &out, Stderr: &err, Host: m.Host.Host, Node: m.node, Version: "v1", Root: m.root,
		Notify: func(state string) {
			m.notify = append(m.notify, state)
			if m.told != nil {
				m.told(state)
			}
		},
		Find: func(_ node.File, state func() peers.State) (Finder, error) {
			m.others.state = state
			return m.others, nil
		},
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
	m.want("version", "berry-firstboot v1, node file version 6\n", "", 0)
	m.want("help", help, "", 0)
	m.want("--help", help, "", 0)
	m.want("", "", "berry-firstboot: no command\nhint: berry-firstboot help\n", 2)
	m.want("dance", "", "berry-firstboot: unknown command \"dance\"\nhint: berry-firstboot help\n", 2)
	m.want("install", "", "berry-firstboot: install needs one folder\nhint: berry-firstboot install --help\n", 2)
	m.want("install /nowhere", "", "berry-firstboot: only root may install\nhint: sudo sh NODE.install\n", 1)
	m.want("run fast", "", "berry-firstboot: unexpected argument \"fast\"\nhint: berry-firstboot run --help\n", 2)
	m.want("status --yaml", "", "berry-firstboot: unexpected argument \"--yaml\"\nhint: berry-firstboot status --help\n", 2)
}

func TestAFirstBootAndTheNext(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.Write("/etc/hostname", "raspberrypi\n")
	m.want("status", "", "berry-firstboot: it has not run on this machine yet\nhint: systemctl status berry-firstboot\n", 1)
	m.want("run --once", "berry-firstboot: step 1/1 identity: done (0.3s)\nberry-firstboot: ready\n", "", 0)
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
	m.want("run --once", "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n", "", 0)
	m.want("status", "pi1, balancer node of berries, start 2\nstep 1/1 identity: already done (0.2s)\nready\n", "", 0)
	m.want("status --json", m.Read(status.Path), "", 0)
}

func TestAFailedStep(t *testing.T) {
	m := newMachine(t, node.Storage)
	const why = "failed: the root filesystem is not on a partition of a card\n"
	m.want("run --once", "berry-firstboot: step 1/2 identity: already done (0.2s)\nberry-firstboot: step 2/2 card: "+why, "", 1)
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
	m.want("run --once", "", "berry-firstboot: node file "+m.node+": its mode is -rw-r--r--, want -rw-------\nhint: chmod 600 "+m.node+"\n", 3)
	if err := os.Remove(m.node); err != nil {
		t.Fatal(err)
	}
	m.want("run --once", "", "berry-firstboot: node file "+m.node+": no such file or directory\nhint: berry build PROFILE NODE -o DIR, where the profile is, and flash this card anew\n", 3)
}

func TestAStatusFileThatCannotBeUsedStopsNothing(t *testing.T) {
	const ready = "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n"
	m := newMachine(t, node.Balancer)
	m.Write(status.Path, "\x00\x00\x00")
	const broken = "berry-firstboot: status file /var/lib/berry/status.json cannot be read: invalid character '\\x00' looking for beginning of value\n"
	m.want("run --once", ready, broken, 0)
	m.want("run --once", ready, "", 0)
	m.Remove("/var")
	m.Write("/var", "not a directory")
	stdout, stderr, code := m.types("run --once")
	if stdout != ready || code != 0 || !strings.Contains(stderr, "cannot make directory /var/lib/berry: file exists") {
		t.Errorf("without a place for the status file: %d\n%s%s", code, stdout, stderr)
	}
}

func TestASignalStopsTheRun(t *testing.T) {
	m := newMachine(t, node.Balancer)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("terminated signal received"))
	m.ctx = ctx
	m.want("run --once", "", "berry-firstboot: stopped: terminated signal received\n", 4)
	m.want("status", "pi1, balancer node of berries, start 1\nstep 1/1 identity: running\n", "", 1)
}

func TestARunGoesOnUntilASignal(t *testing.T) {
	m := newMachine(t, node.Balancer)
	ctx, cancel := context.WithCancel(t.Context())
	m.ctx = ctx
	m.told = func(state string) {
		if strings.Contains(state, "READY") {
			cancel()
		}
	}
	m.want("run", "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n", "", 0)
}

// The page is there from the first step on, and as long as the run.
func TestTheStatusPageIsThereWhileStepsAreWalked(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.edit(func(f *node.File) { f.StatusPage = &node.StatusPage{Port: 24018} })
	m.Host.Host.Clock = host.Wall{} // several look at it here
	ctx, cancel := context.WithCancel(t.Context())
	m.ctx = ctx
	var at net.Addr
	open := make(chan struct{})
	m.Host.Host.Listen = func(ctx context.Context, want netip.AddrPort) (net.Listener, error) {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
		if err == nil && want.String() == "127.0.0.1:24018" {
			at = listener.Addr()
			close(open)
		}
		return listener, err
	}
	var text []byte
	m.told = func(state string) {
		if state != "STATUS=step 1/1 identity: running" {
			return
		}
		<-open
		if res, err := http.Get("http://" + at.String()); err == nil {
			defer res.Body.Close()
			text, _ = io.ReadAll(res.Body)
		}
		cancel()
	}
	m.types("run")
	if !strings.Contains(string(text), "step 1/1 identity: running") {
		t.Errorf("while the step is walked, the page is\n%s", text)
	}
	if _, err := http.Get("http://" + at.String()); err == nil {
		t.Error("the page is there when the run has ended")
	}
}

// edit changes the node file.
func (m *machine) edit(how func(*node.File)) {
	m.t.Helper()
	f, err := node.ReadFile(m.node)
	if err != nil {
		m.t.Fatal(err)
	}
	how(&f)
	data, err := node.Encode(f)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(m.node, data, 0o600); err != nil {
		m.t.Fatal(err)
	}
}

func TestARunGoesOnWithoutANameInTheDNS(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.edit(func(f *node.File) {
		f.DDNS = &node.DDNS{Protocol: "dyndns2", Server: "dyndns.example.net", Login: "me", Password: "top secret", Host: "berries.example.net"}
	})
	m.Host.Host.Runner = gluster11{}
	const why = "cannot tell the version of ddclient: dpkg-query --show '--showformat=${Version}' ddclient says \"glusterfs 11.1\\n\"\n"
	const fails = "berry-firstboot: step 2/2 ddclient: failed: " + why
	const lines = "berry-firstboot: step 1/2 identity: already done (0.2s)\nberry-firstboot: ready\n" + fails
	m.want("run --once", lines, "", 1)
	ctx, cancel := context.WithCancel(t.Context())
	m.ctx, m.notify = ctx, nil
	failures := 0
	m.told = func(state string) {
		if strings.Contains(state, "but: ddclient") {
			if failures++; failures == 2 {
				cancel()
			}
		}
	}
	m.want("run", lines+fails, "", 0)
	retry := []string{"STATUS=step 2/2 ddclient: running", "STATUS=ready, but: ddclient: " + strings.TrimSpace(why)}
	told := append([]string{"STATUS=step 1/2 identity: running", "STATUS=step 1/2 identity: already done (0.2s)", "STATUS=ready\nREADY=1"}, append(retry, retry...)...)
	if diff := cmp.Diff(told, m.notify); diff != "" {
		t.Errorf("systemd was told (-want +got):\n%s", diff)
	}
	m.want("status", "pi1, balancer node of berries, start 2\nstep 1/2 identity: already done (0.2s)\nstep 2/2 ddclient: failed: "+why+
		"ready, but: ddclient: "+why, "", 0)
	if got := m.others.state(); !got.Ready || got.Step != "ready, but: ddclient: "+strings.TrimSpace(why) {
		t.Errorf("other nodes are told %+v", got)
	}
}

func TestWhatOtherNodesAreTold(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.Write("/usr/sbin/gluster", "")
	m.Host.Host.Runner = gluster11{}
	m.want("run --once", "berry-firstboot: step 1/1 identity: already done (0.2s)\nberry-firstboot: ready\n", "", 0)
	want := peers.State{Step: "ready", Ready: true, Versions: map[string]string{"berry-firstboot": "v1", "glusterfs": "11.1"}}
	if diff := cmp.Diff(want, m.others.state()); diff != "" {
		t.Errorf("other nodes are told (-want +got):\n%s", diff)
	}
}

// gluster11 is a machine whose programs all say that they are GlusterFS 11.1.
type gluster11 struct{}

func (gluster11) Run(context.Context, host.Cmd) (host.Result, error) {
	return host.Result{Stdout: []byte("glusterfs 11.1\n")}, nil
}

func TestANodeThatCannotMeetOthersStops(t *testing.T) {
	m := newMachine(t, node.Balancer)
	m.others.fails = errors.New("cannot listen for the other nodes: address already in use")
	stdout, stderr, code := m.types("run")
	if want := "berry-firstboot: " + m.others.fails.Error() + "\n"; stderr != want || code != 1 {
		t.Errorf("exit code %d, %s%s; want 1, %s", code, stdout, stderr, want)
	}
}

func TestANodeWithoutItsCertificate(t *testing.T) {
	m := newMachine(t, node.Balancer)
	_, err := Find(m.Host.Host, node.File{}, nil, nil)
	const want = "cannot prove who this node is: cannot read /etc/berry/tls/node.pem: no such file or directory; build the image again and flash it"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestNeighbours(t *testing.T) {
	nodes := []node.Node{
		{Name: "cluster01", Role: node.Storage, Address: "192.168.2.5"},
		{Name: "cluster02", Role: node.Storage},
		{Name: "cluster04", Role: node.Remote, Address: "10.0.0.4"},
		{Name: "balancer", Role: node.Balancer},
	}
	tunnel := &node.Tunnel{Ends: []node.End{
		{Name: "cluster01", Address: "10.83.0.1"}, {Name: "cluster02", Address: "10.83.0.2"}, {Name: "cluster04", Address: "10.83.0.4"}, {Name: "balancer", Address: "10.83.0.5"},
	}}
	tests := []struct{ name, role, want, abroad string }{
		{"cluster02", node.Storage, "[{cluster01 [192.168.2.5]} {cluster02 []}]", "[{10.83.0.4 cluster04} {10.83.0.5 balancer}]"},
		{"cluster04", node.Remote, "[{cluster04 [10.0.0.4]}]", "[{10.83.0.1 cluster01} {10.83.0.2 cluster02} {10.83.0.5 balancer}]"},
		{"balancer", node.Balancer, "[{balancer []}]", "[{10.83.0.1 cluster01} {10.83.0.2 cluster02} {10.83.0.4 cluster04}]"},
	}
	for _, tt := range tests {
		f := node.File{Name: tt.name, Role: tt.role, Nodes: nodes}
		if got := fmt.Sprint(neighbours(f)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		if got := abroad(f); got != nil {
			t.Errorf("%s: without a tunnel got %v", tt.name, got)
		}
		f.Tunnel = tunnel
		if got := fmt.Sprint(abroad(f)); got != tt.abroad {
			t.Errorf("%s: abroad got %s, want %s", tt.name, got, tt.abroad)
		}
	}
}

func TestASecondRunIsKeptOut(t *testing.T) {
	m := newMachine(t, node.Balancer)
	unlock, err := m.Lock()
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	m.want("run --once", "", "berry-firstboot: another berry-firstboot is at work on this machine\nhint: journalctl -fu berry-firstboot\n", 1)
}
