//go:build root && linux

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// inside names the folder of the node that this test program is, when it was
// started again in a network namespace.
const inside = "PEERS_TEST_NODE"

func TestMain(m *testing.M) {
	var err error
	switch dir, name := os.Getenv(inside), os.Getenv(lookup); {
	case dir != "":
		err = beNode(dir)
	case name != "":
		err = askOnce(name)
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lab is a switch in a network namespace of its own, and computers on it in theirs.
type lab struct {
	t      testing.TB
	prefix string
	ca     authority
	every  time.Duration // between two reports of a member
}

var labs atomic.Int32

func newLab(t testing.TB) *lab {
	t.Helper()
	l := &lab{t: t, prefix: fmt.Sprintf("berry%d-%d-", os.Getpid(), labs.Add(1)), ca: newAuthority(t), every: 100 * time.Millisecond}
	l.namespace("switch")
	l.ip("switch", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
	l.ip("switch", "link", "set", "br0", "up")
	return l
}

func (l *lab) namespace(name string) {
	l.t.Helper()
	l.run("ip", "netns", "add", l.prefix+name)
	l.t.Cleanup(func() { l.run("ip", "netns", "del", l.prefix+name) })
	l.ip(name, "link", "set", "lo", "up")
}

// computer makes a namespace with an interface eth0 on the switch, whose port is
// named after it, and gives it addresses.
func (l *lab) computer(name string, addresses ...string) {
	l.t.Helper()
	l.namespace(name)
	l.ip("switch", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", l.prefix+name)
	l.ip("switch", "link", "set", name, "master", "br0", "up")
	for _, a := range addresses {
		l.ip(name, "addr", "add", a+"/24", "dev", "eth0")
	}
	l.ip(name, "link", "set", "eth0", "up")
}

// ip runs ip(8) in a namespace.
func (l *lab) ip(name string, args ...string) {
	l.t.Helper()
	l.run("ip", append([]string{"-n", l.prefix + name}, args...)...)
}

func (l *lab) run(name string, args ...string) string {
	l.t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// in is a command in a namespace, which ends with the test.
func (l *lab) in(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("ip", append([]string{"netns", "exec", l.prefix + name}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// within waits until something holds, and fails when it takes longer than that.
func within(t testing.TB, d time.Duration, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > d {
			t.Fatalf("not within %v: %s", d, what)
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Logf("%s after %.1fs", what, time.Since(began).Seconds())
}
