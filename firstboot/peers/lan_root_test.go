//go:build root && linux

package peers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// promise is within how long every change is to be in everybody's hosts file.
const promise = 10 * time.Second

// Three nodes on one LAN find and prove each other and follow each other's
// addresses. Beside n2 runs avahi-daemon, as on Raspberry Pi OS; from a fourth
// computer a stranger claims to be n2, with a CA of its own, before n2 is there:
// zeroconf neither probes for a name nor resolves conflicts.
func TestThreeNodesOnALAN(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for i, name := range []string{"n1", "n2", "n3"} {
		l.computer(name, fmt.Sprintf("10.88.0.%d", i+1))
	}
	l.computer("other", "10.88.0.66")
	avahi := l.avahi("n2", "")
	known := []string{"n1", "n2", "n3"}
	n1, n3 := l.start("n1", known...), l.start("n3", known...)
	stranger := l.startAs("other", "n2", newAuthority(t), known...)
	within(t, promise, "n1 and n3 have heard the stranger", func() bool {
		return n1.heard("n2 10.88.0.66") && n3.heard("n2 10.88.0.66")
	})
	n2 := l.start("n2", known...)
	all := []*member{n1, n2, n3}
	for i, name := range known {
		everywhere(t, all, name, fmt.Sprintf("10.88.0.%d", i+1))
	}

	l.ip("n3", "addr", "del", "10.88.0.3/24", "dev", "eth0")
	l.ip("n3", "addr", "add", "10.88.0.33/24", "dev", "eth0")
	everywhere(t, all, "n3", "10.88.0.33")
	l.ip("n1", "addr", "flush", "dev", "eth0", "scope", "global")
	everywhere(t, all[:1], "n1", ownAddress)
	l.ip("n1", "addr", "add", "10.88.0.11/24", "dev", "eth0")
	everywhere(t, all, "n1", "10.88.0.11")

	// A resolver of zeroconf never tells that somebody went away without a word.
	n3.kill()
	within(t, promise, "n3 is silent", func() bool { return !n1.has("n3", "10.88.0.33") && !n2.has("n3", "10.88.0.33") })
	everywhere(t, all, "n3", "10.88.0.33")
	n3.boot("n3")
	within(t, promise, "n3 is back", func() bool { return n1.has("n3", "10.88.0.33") && n3.has("n2", "10.88.0.2") })

	for _, m := range all {
		if m.took("n2", "10.88.0.66") {
			t.Errorf("%s took the stranger for n2", m.name)
		}
	}
	if peers := stranger.now().Peers; len(peers) > 0 {
		t.Errorf("the stranger has the peers %v", peers)
	}
	l.undisturbed(avahi)
}

// everywhere waits until the hosts files of all say that a name has an address.
func everywhere(t *testing.T, all []*member, name, address string) {
	t.Helper()
	within(t, promise, name+" is "+address, func() bool {
		return !slices.ContainsFunc(all, func(m *member) bool { return m.resolves(name) != address })
	})
}

// undisturbed finds out whether the avahi-daemon on n2 is as it was.
func (l *lab) undisturbed(avahi *safeBuffer) {
	l.t.Helper()
	if said := avahi.String(); strings.Contains(said, "conflict") || !strings.Contains(said, "Host name is n2.local") {
		l.t.Errorf("avahi-daemon was disturbed:\n%s", said)
	}
	if got := l.mdns("n1", "n2.local"); got != "10.88.0.2" {
		l.t.Errorf("avahi-daemon says that n2.local is %q", got)
	}
}

// safeBuffer holds what a program printed.
type safeBuffer struct {
	mu   sync.Mutex
	b    bytes.Buffer
	stop func()
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// avahi starts Debian's avahi-daemon on a computer, which has its host name, and
// returns its log.
func (l *lab) avahi(computer, option string) *safeBuffer {
	l.t.Helper()
	conf := filepath.Join(l.t.TempDir(), "avahi-daemon.conf")
	text := "[server]\nhost-name=" + computer + "\nenable-dbus=no\nuse-ipv4=yes\nuse-ipv6=yes\n" + option + "\n[wide-area]\n[publish]\n[reflector]\n[rlimits]\n"
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
	// Its process id lies at a fixed place: each gets a folder of its own for it.
	cmd := l.in(computer, "unshare", "--mount", "sh", "-c",
		`mkdir -p /run/avahi-daemon && mount -t tmpfs tmpfs /run/avahi-daemon && exec avahi-daemon --no-drop-root --no-chroot --no-rlimits --file="$0"`, conf)
	said := &safeBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	said.stop = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	l.t.Cleanup(said.stop)
	within(l.t, promise, "avahi-daemon is up", func() bool { return strings.Contains(said.String(), "Server startup complete") })
	return said
}

// mdns is the IPv4 address that somebody gives for a name, asked from a computer.
func (l *lab) mdns(computer, name string) string {
	l.t.Helper()
	l.ip(computer, "route", "replace", "224.0.0.0/4", "dev", "eth0")
	cmd := l.in(computer, os.Args[0])
	cmd.Env = append(os.Environ(), lookup+"="+name)
	out, err := cmd.CombinedOutput()
	if err != nil {
		l.t.Fatalf("cannot ask for %s: %v\n%s", name, err, out)
	}
	return strings.TrimSpace(string(out))
}

// lookup names the host that this test program asks for by mDNS, when it was
// started for that.
const lookup = "PEERS_TEST_LOOKUP"

// askOnce asks as a program does that is no mDNS responder itself (RFC 6762, 6.7):
// from another port, so that answers come back to it alone.
func askOnce(name string) error {
	resolver := net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		c, err := net.ListenUDP("udp4", nil)
		return group{c}, err
	}}
	ips, err := resolver.LookupIP(context.Background(), "ip4", name+".")
	if err == nil {
		fmt.Println(ips[0])
	}
	return err
}

// group is a connection to the mDNS group, which single members answer.
type group struct{ *net.UDPConn }

func (g group) Write(p []byte) (int, error) {
	return g.WriteToUDP(p, &net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353})
}

func (g group) Read(p []byte) (int, error) {
	n, _, err := g.ReadFromUDP(p)
	return n, err
}
