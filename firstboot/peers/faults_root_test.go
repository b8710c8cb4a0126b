//go:build root && linux

package peers

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// Each test here is for a fault of zeroconf v1.0.0, named in its first line, which
// a node must not suffer from. The fault itself is not shown: what is, is that the
// service does its work where the library alone would not.

// Fault: a server announces for ever the addresses that it began with, and before
// DHCP that is a link-local one.
func TestAnAddressThatComesLateIsAnnounced(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.computer("n1", "10.88.0.1")
	l.computer("n2")
	l.computer("n3")
	n1, n2 := l.start("n1", "n2", "n3"), l.start("n2", "n1")
	l.mute("n3", "n1")
	within(t, promise, "n2 is known by its link-local address", func() bool {
		p := n1.now().Peers
		return len(p) == 1 && len(p[0].Addresses) > 0 && p[0].Addresses[0].Zone() == "eth0"
	})
	if got := n1.resolves("n2") + n2.resolves("n2"); got != ownAddress {
		t.Errorf("without an address for it, n2 resolves to %q", got)
	}
	l.ip("n2", "addr", "add", "10.88.0.2/24", "dev", "eth0")
	within(t, promise, "n2 is known by the address it got", func() bool {
		return n1.resolves("n2") == "10.88.0.2" && n2.resolves("n1") == "10.88.0.1"
	})
	l.ip("n3", "addr", "add", "10.88.0.3/24", "dev", "eth0")
	within(t, promise, "n3 announces the address it got", func() bool { return n1.heard("n3 10.88.0.3") })
}

// Fault: a server announces the addresses of every interface, Docker's bridge
// among them.
func TestVirtualInterfacesAreNotAnnounced(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.computer("n1", "10.88.0.1")
	l.computer("n2", "10.88.0.2")
	l.ip("n2", "link", "add", "docker0", "type", "bridge")
	l.ip("n2", "link", "add", "veth9", "type", "veth", "peer", "name", "veth8")
	l.ip("n2", "link", "set", "veth9", "master", "docker0", "up")
	l.ip("n2", "link", "set", "veth8", "up")
	l.ip("n2", "link", "set", "docker0", "up")
	l.ip("n2", "addr", "add", "172.17.0.1/16", "dev", "docker0")
	n1 := l.start("n1", "n2")
	l.start("n2", "n1")
	within(t, promise, "n2 is known", func() bool { return n1.has("n2", "10.88.0.2") })
	time.Sleep(time.Second) // for other hints to come in
	if n1.heard("n2 172.17.0.1") {
		t.Error("n1 was told of Docker's address on n2")
	}
}

// Fault: without IPv6 no resolver can be made.
func TestWithoutIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, name := range []string{"n1", "n2"} {
		l.computer(name, fmt.Sprintf("10.88.0.%d", i+1))
		l.run("ip", "netns", "exec", l.prefix+name, "sysctl", "-q", "-w",
			"net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1")
	}
	n1, n2 := l.start("n1", "n2"), l.start("n2", "n1")
	within(t, promise, "they know each other", func() bool { return n1.has("n2", "10.88.0.2") && n2.has("n1", "10.88.0.1") })
}

// Fault: a resolver stops asking after the first answer, so that a node whose
// announcement was not heard is never found.
func TestANodeWhoseAnnouncementWasNotHeardIsFound(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, name := range []string{"n1", "n2", "n3", "n4"} {
		l.computer(name, fmt.Sprintf("10.88.0.%d", i+1))
	}
	// n3 is on another switch at first, where it hears n4 and stops asking, too.
	l.ip("switch", "link", "add", "br1", "type", "bridge", "mcast_snooping", "0")
	l.ip("switch", "link", "set", "br1", "up")
	l.ip("switch", "link", "set", "n3", "master", "br1")
	l.ip("switch", "link", "set", "n4", "master", "br1")
	n1 := l.start("n1", "n2", "n3")
	l.start("n2", "n1")
	n3 := l.mute("n3", "n1")
	l.mute("n4", "n1")
	within(t, promise, "n1 knows n2, and n3 has heard n4", func() bool { return n1.has("n2", "10.88.0.2") && n3.heard("n4 10.88.0.4") })
	time.Sleep(4 * time.Second) // the announcements of n3 are over
	l.ip("switch", "link", "set", "n3", "master", "br0")
	within(t, promise+5*time.Second, "n3 is heard", func() bool { return n1.heard("n3 10.88.0.3") })
}

// mute starts a service that can make itself known by mDNS only: nobody takes its
// questions, since its certificate is of another CA.
func (l *lab) mute(computer string, known ...string) *member {
	l.t.Helper()
	return l.startAs(computer, computer, newAuthority(l.t), known...)
}

// Fault: a resolver goes deaf at the first error of its socket, and goes on asking.
func TestADeafResolverIsReplaced(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.computer("n1", "10.88.0.1")
	l.computer("n2", "10.88.0.2")
	n1 := l.start("n1", "n2")
	within(t, promise, "n1 runs", func() bool { return n1.now().Goroutines > 0 })
	// One per IP version for the resolvers, and for the server.
	within(t, promise, "four sockets of n1 fail", func() bool {
		n1.cmd.Process.Signal(syscall.SIGUSR1)
		return strings.Contains(n1.log.String(), "made 4 sockets fail")
	})
	l.mute("n2", "n1")
	within(t, promise+5*time.Second, "n2 is heard", func() bool { return n1.heard("n2 10.88.0.2") })
}

// Fault: a server that cannot read spins. An interface that goes away must cost
// nothing.
func TestAnInterfaceThatGoesAwayCostsNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.computer("n1", "10.88.0.1")
	l.computer("n2", "10.88.0.2")
	n1, n2 := l.start("n1", "n2"), l.start("n2", "n1")
	within(t, promise, "n2 is known", func() bool { return n1.has("n2", "10.88.0.2") })
	l.ip("n2", "link", "del", "eth0")
	within(t, promise, "n2 has noticed", func() bool { return n2.resolves("n2") == ownAddress })
	before, began := n2.now().CPU, time.Now()
	time.Sleep(4 * time.Second)
	if used, took := n2.now().CPU-before, time.Since(began).Seconds(); used > took/10 {
		t.Errorf("without an interface it used the processor for %.2fs in %.2fs", used, took)
	}
	l.ip("switch", "link", "add", "n2", "type", "veth", "peer", "name", "eth0", "netns", l.prefix+"n2")
	l.ip("switch", "link", "set", "n2", "master", "br0", "up")
	l.ip("n2", "addr", "add", "10.88.0.22/24", "dev", "eth0")
	l.ip("n2", "link", "set", "eth0", "up")
	within(t, promise, "n2 is back", func() bool { return n1.resolves("n2") == "10.88.0.22" })
}

// Faults: "close of closed channel"; a resolver that waits for ever for somebody to
// take what it found; sockets that are never closed. Twenty changes of the address
// make twenty of each.
func TestManyChangesLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.computer("n1", "10.88.0.1")
	l.computer("n2", "10.88.0.2")
	n1, n2 := l.start("n1", "n2"), l.start("n2", "n1")
	within(t, promise, "n2 is known", func() bool { return n1.has("n2", "10.88.0.2") })
	time.Sleep(2 * time.Second)
	before := n2.now()
	for i := range 20 {
		l.ip("n2", "addr", "add", fmt.Sprintf("10.88.0.%d/24", 100+i), "dev", "eth0")
		time.Sleep(700 * time.Millisecond)
		l.ip("n2", "addr", "del", fmt.Sprintf("10.88.0.%d/24", 100+i), "dev", "eth0")
	}
	l.ip("n2", "addr", "flush", "dev", "eth0", "scope", "global")
	l.ip("n2", "addr", "add", "10.88.0.22/24", "dev", "eth0")
	within(t, promise, "the last address is known", func() bool { return n1.resolves("n2") == "10.88.0.22" })
	within(t, promise, "nothing is left behind", func() bool {
		now := n2.now()
		return now.Goroutines <= before.Goroutines+6 && now.Files <= before.Files+3
	})
}

// Fault: the port is taken, by an avahi-daemon that wants it for itself. Nodes with
// fixed addresses find each other all the same, and mDNS begins when the port is
// free.
func TestThePortOfMDNSIsTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, name := range []string{"n1", "n2", "n3"} {
		l.computer(name, fmt.Sprintf("10.88.0.%d", i+1))
	}
	avahi := l.avahi("n1", "disallow-other-stacks=yes")
	n1 := l.start("n1", "n2@10.88.0.2", "n3")
	l.start("n2")
	within(t, promise, "n2 is known by its fixed address", func() bool { return n1.resolves("n2") == "10.88.0.2" })
	within(t, promise, "n1 says what is wrong", func() bool { return strings.Contains(n1.log.String(), "cannot announce this node: ") })
	avahi.stop()
	l.start("n3")
	within(t, promise+5*time.Second, "n3 is found by mDNS", func() bool { return n1.has("n3", "10.88.0.3") })
}

// failSockets makes every socket on the port of mDNS return an error to its
// reader, once: a datagram to a closed port comes back as one (udp(7)). It says how
// many there were.
func failSockets() int {
	failed := 0
	for fd := range 256 {
		name, err := syscall.Getsockname(fd)
		if err != nil {
			continue
		}
		var closed syscall.Sockaddr
		switch name := name.(type) {
		case *syscall.SockaddrInet4:
			if name.Port == 5353 {
				closed = &syscall.SockaddrInet4{Port: 9, Addr: [4]byte{127, 0, 0, 1}}
			}
		case *syscall.SockaddrInet6:
			if name.Port == 5353 {
				closed = &syscall.SockaddrInet6{Port: 9, Addr: [16]byte{15: 1}}
			}
		}
		if closed == nil || syscall.Connect(fd, closed) != nil {
			continue
		}
		syscall.Write(fd, []byte("x"))
		time.Sleep(50 * time.Millisecond)
		unconnected := [16]byte{} // AF_UNSPEC
		syscall.RawSyscall(syscall.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&unconnected)), uintptr(len(unconnected)))
		failed++
	}
	return failed
}
