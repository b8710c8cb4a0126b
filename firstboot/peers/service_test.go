package peers

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
)

// wire is a network in which every address leads to a listener on this machine.
// There is no mDNS in it: tests call sighted.
type wire struct {
	mu        sync.Mutex
	listeners map[netip.Addr]net.Listener
}

// plug is one node's end of the wire.
type plug struct {
	*wire
	addr netip.Addr
}

func (p plug) links() ([]Link, error) {
	return []Link{{Name: "eth0", Index: 2, Carrier: true, Addresses: []netip.Addr{p.addr}}}, nil
}

func (p plug) listen(ctx context.Context) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listeners[p.addr] = l
	return l, nil
}

func (p plug) dial(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[at.Addr()]
	p.mu.Unlock()
	if l == nil {
		return nil, errors.New("no route to host")
	}
	return new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
}

func (plug) announce(Self, []Link) (func(), error) { return func() {}, nil }

func (plug) browse(ctx context.Context, _ []Link, _ func(sighting)) error {
	<-ctx.Done()
	return nil
}

// start runs a service on the wire until the test's end.
func (w *wire) start(t *testing.T, self Self, addr string, clock host.Clock, edit ...func(*Service)) (*Service, *hosttest.Host) {
	t.Helper()
	h := hosttest.New(t, map[string]string{"/etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\t" + self.Name + "\n"})
	h.Host.Clock = clock
	self.Cluster = "id"
	s := newService(h.Host, plug{w, netip.MustParseAddr(addr)}, self, func(line string) { t.Log(self.Name + ": " + line) })
	for _, e := range edit {
		e(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("%s: %v", self.Name, err)
		}
	})
	w.until(t, "listening", func() bool { return w.listeners[netip.MustParseAddr(addr)] != nil })
	return s, h
}

// until waits for something that comes about.
func (w *wire) until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		w.mu.Lock()
		ok := is()
		w.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not within 20s: %s", what)
		}
	}
}

func newWire() *wire { return &wire{listeners: map[netip.Addr]net.Listener{}} }

func self(ca authority, name string, known ...string) Self {
	s := Self{Name: name, Role: "storage", Cert: ca.node(name, nil), CA: ca.pool()}
	for _, k := range known {
		name, addr, _ := strings.Cut(k, "@")
		n := Known{Name: name}
		if addr != "" {
			n.Addresses = []netip.Addr{netip.MustParseAddr(addr)}
		}
		s.Known = append(s.Known, n)
	}
	return s
}

// stopped is a clock that stands still, as a Pi's does before the network.
type stopped struct {
	host.Wall
	at time.Time
}

func (s stopped) Now() time.Time { return s.at }

func TestTwoNodesWithFixedAddressesProveEachOther(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	one, files := w.start(t, self(ca, "n1", "n2@10.0.0.2"), "10.0.0.1", host.Wall{})
	second := self(ca, "n2", "n1@10.0.0.1")
	second.State = func() State {
		return State{Step: "step 2/3 card: done (1.2s)", Versions: map[string]string{"glusterfs": "11.1"}}
	}
	two, _ := w.start(t, second, "10.0.0.2", host.Wall{})
	for _, s := range []*Service{one, two} {
		w.until(t, "each has the other", func() bool { return len(s.Peers()) == 1 })
	}
	got := one.Peers()
	want := []Peer{{Name: "n2", Role: "storage", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}, Seen: got[0].Seen, State: second.State()}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("n1's peers (-want +got):\n%s", diff)
	}
	select {
	case <-one.Changes():
	case <-time.After(time.Second):
		t.Error("there was no change")
	}
	hosts := "127.0.0.1\tlocalhost\n" + blockBegin + "\n10.0.0.1\tn1\n10.0.0.2\tn2\n" + blockEnd + "\n"
	w.until(t, "the hosts file", func() bool { return files.Read("/etc/hosts") == hosts })
	files.Write("/etc/hosts", "127.0.0.1\tlocalhost\n")
	w.until(t, "the hosts file again, after somebody wrote it", func() bool { return files.Read("/etc/hosts") == hosts })
}

// What a node serves beyond its state is for nodes.
func TestNodesFetchFromEachOther(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	one, _ := w.start(t, self(ca, "n1", "n2@10.0.0.2"), "10.0.0.1", host.Wall{})
	files := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "files") })
	w.start(t, self(ca, "n2", "n1@10.0.0.1"), "10.0.0.2", host.Wall{}, func(s *Service) {
		s.Handle("/brick", Nodes, files)
		s.Handle("/logs", Operator, files)
		s.Handle("/report", Nodes|Operator, files)
	})
	if _, err := one.Fetch(t.Context(), "n3", "/brick"); err == nil || err.Error() != "cannot ask n3 for /brick: it is silent" {
		t.Errorf("a node that nobody knows: %v", err)
	}
	w.until(t, "n1 has n2", func() bool { return len(one.Peers()) == 1 })
	if _, err := one.Fetch(t.Context(), "n2", "/nothing"); err == nil || err.Error() != "cannot ask n2 for /nothing: 404 Not Found" {
		t.Errorf("what is not served: %v", err)
	}
	operator := newService(hosttest.New(t, nil).Host, plug{w, netip.MustParseAddr("10.0.0.9")}, Self{Cert: ca.operator(nil), CA: ca.pool()}, func(string) {})
	for _, tt := range []struct {
		path           string
		node, operator string
	}{
		{"/brick", "files", "403 Forbidden"},
		{"/logs", "403 Forbidden", "files"},
		{"/report", "files", "files"},
	} {
		if got := said(one.get(t.Context(), question{"n2", at("10.0.0.2")}, tt.path)); got != tt.node {
			t.Errorf("a node gets %q at %s, want %q", got, tt.path, tt.node)
		}
		if got := said(operator.get(t.Context(), question{"n2", at("10.0.0.2")}, tt.path)); got != tt.operator {
			t.Errorf("the operator gets %q at %s, want %q", got, tt.path, tt.operator)
		}
	}
}

// said is what somebody answers, or why he does not.
func said(body io.ReadCloser, err error) string {
	if err != nil {
		return err.Error()
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// A node of another house is not looked for. It is asked at its end of the tunnel, where
// it has to prove its name like everybody.
func TestNodesOfOtherHousesAreAskedThroughTheTunnel(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	me := self(ca, "n1")
	me.Tunnel = []Entry{entry4("n4", "10.83.0.4"), entry4("lb", "10.83.0.5")}
	one, _ := w.start(t, me, "10.0.0.1", host.Wall{})
	files := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "files") })
	w.start(t, self(ca, "n4"), "10.83.0.4", host.Wall{}, func(s *Service) { s.Handle("/report", Nodes, files) })
	w.start(t, self(ca, "n5"), "10.83.0.5", host.Wall{}, func(s *Service) { s.Handle("/report", Nodes, files) })
	if got := said(one.Fetch(t.Context(), "n4", "/report")); got != "files" {
		t.Errorf("n4 says %q", got)
	}
	if got := said(one.Fetch(t.Context(), "lb", "/report")); !strings.Contains(got, "certificate is valid for n5, not lb") {
		t.Errorf("who is at the address of lb, and is not lb, says %q", got)
	}
	if got := one.Peers(); len(got) > 0 {
		t.Errorf("it has become a peer: %v", got)
	}
}

// A node that starts again, with the others away, still resolves their names.
func TestTheHostsFileOfAnEarlierRunIsKept(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	h := hosttest.New(t, map[string]string{"/etc/hosts": Hosts("", []Entry{entry4("gone", "10.0.0.8"), entry4("n2", "10.0.0.7")}, "n1")})
	me := self(ca, "n1", "n2@10.0.0.2", "n3@10.0.0.3")
	s := newService(h.Host, plug{w, netip.MustParseAddr("10.0.0.1")}, me, func(string) {})
	s.look()
	if err := s.mendHosts(); err != nil {
		t.Fatal(err)
	}
	want := []Entry{entry4("n1", "10.0.0.1"), entry4("n2", "10.0.0.7"), entry4("n3", "10.0.0.3")}
	if diff := cmp.Diff(want, block(h.Read("/etc/hosts")), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the block (-want +got):\n%s", diff)
	}
}

// Nodes in other houses are in the hosts file from the start, where the tunnel has them,
// and nobody asks there.
func TestNodesOfOtherHousesAreInTheHostsFileAtTheirTunnelAddresses(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/etc/hosts": Hosts("", []Entry{entry4("n4", "10.83.0.7"), entry4("n2", "10.0.0.7")}, "n1")})
	me := self(newAuthority(t), "n1", "n2")
	me.Tunnel = []Entry{entry4("n4", "10.83.0.4"), entry4("lb", "10.83.0.5")}
	s := newService(h.Host, plug{newWire(), netip.MustParseAddr("10.0.0.1")}, me, func(string) {})
	s.look()
	s.recall()
	if err := s.mendHosts(); err != nil {
		t.Fatal(err)
	}
	want := []Entry{entry4("lb", "10.83.0.5"), entry4("n1", "10.0.0.1"), entry4("n2", "10.0.0.7"), entry4("n4", "10.83.0.4")}
	if diff := cmp.Diff(want, block(h.Read("/etc/hosts")), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("the block (-want +got):\n%s", diff)
	}
	for _, q := range s.table.due(time.Now(), 10) {
		if q.name != "n2" {
			t.Errorf("%s is asked at %v", q.name, q.at)
		}
	}
}

// A thousand connections that say nothing do not keep a node from being answered.
func TestStrangersCannotBlockTheDoor(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	w.start(t, self(ca, "n1"), "10.0.0.1", host.Wall{})
	for range 1000 {
		conn, err := plug{w, netip.Addr{}}.dial(t.Context(), at("10.0.0.1"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	began := time.Now()
	if err := ask(w, "10.0.0.1", &tls.Config{Certificates: []tls.Certificate{ca.node("n2", nil)}}); err != nil {
		t.Errorf("n2 got no answer: %v", err)
	}
	if took := time.Since(began); took > askTimeout {
		t.Errorf("the answer took %v", took)
	}
}

// A node that takes seconds for its proof is busy, not silent.
func TestABusyNodeIsNotSilent(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	one, _ := w.start(t, self(ca, "n1", "n2@10.0.0.2"), "10.0.0.1", host.Wall{})
	w.start(t, self(ca, "n2", "n1@10.0.0.1"), "10.0.0.2", host.Wall{})
	w.until(t, "n1 has n2", func() bool { return len(one.Peers()) == 1 })
	began, seen := time.Now(), one.Peers()[0].Seen

	w.mu.Lock()
	behind := w.listeners[netip.MustParseAddr("10.0.0.2")]
	slow, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	w.listeners[netip.MustParseAddr("10.0.0.2")] = slow
	w.mu.Unlock()
	go func() {
		for {
			conn, err := slow.Accept()
			if err != nil {
				return
			}
			there, err := net.Dial("tcp", behind.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			time.AfterFunc(askTimeout+time.Second, func() { go io.Copy(there, conn) })
			go func() {
				io.Copy(conn, there)
				conn.Close()
				there.Close()
			}()
		}
	}()
	silent := false
	w.until(t, "n2 has answered, slowly", func() bool {
		silent = len(one.Peers()[0].Addresses) == 0
		return silent || one.Peers()[0].Seen.Sub(seen) > askTimeout
	})
	if silent {
		t.Errorf("n2 is silent after %v", time.Since(began))
	}
}

// A thousand addresses where nobody answers do not keep a node from being asked.
func TestAddressesThatLeadNowhereKeepNobodyWaiting(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	one, _ := w.start(t, self(ca, "n1", "n2"), "10.0.0.1", host.Wall{})
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer nowhere.Close()
	for i := range maxNodes {
		made := sighting{name: fmt.Sprintf("x%d", i), cluster: "id", protocol: "1", port: Port}
		for j := range maxRoutes {
			a := netip.AddrFrom4([4]byte{10, 1, byte(i), byte(j)})
			w.mu.Lock()
			w.listeners[a] = nowhere
			w.mu.Unlock()
			made.addresses = append(made.addresses, a)
		}
		one.sighted(made)
	}
	w.until(t, "as many are asked as may be", func() bool { return one.table.busy() >= askAtOnce })
	w.start(t, self(ca, "n2"), "10.0.0.2", host.Wall{})
	one.sighted(sighting{name: "n2", cluster: "id", protocol: "1", port: Port, addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}})
	began := time.Now()
	w.until(t, "n1 has n2", func() bool { return len(one.Peers()) == 1 })
	if took := time.Since(began); took > 2*askTimeout {
		t.Errorf("it took %v, want no more than two questions take", took)
	}
}

// busy counts the questions on their way.
func (t *table) busy() (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.nodes {
		for _, r := range e.routes {
			if r.busy {
				n++
			}
		}
	}
	return n
}

// What a stranger answers has an end, in bytes and in time.
func TestAnEndlessAnswerEnds(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	one, _ := w.start(t, self(ca, "n1"), "10.0.0.1", host.Wall{})
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{ca.node("n2", nil)}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"name":"`)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	})}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	w.mu.Lock()
	w.listeners[netip.MustParseAddr("10.0.0.2")] = l
	w.mu.Unlock()
	if _, err := one.askAt(t.Context(), question{"n2", at("10.0.0.2")}); err == nil {
		t.Error("an endless answer was taken")
	}
}

func TestWhatIsSightedIsAHintOnlyIfItMayBeOfThisCluster(t *testing.T) {
	good := sighting{name: "n2", cluster: "id", protocol: "1", port: Port, addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}
	tests := []struct {
		name string
		edit func(*sighting)
		want int
	}{
		{"a node", func(*sighting) {}, 1},
		{"an IPv6 link-local address, on each interface", func(s *sighting) { s.addresses[0] = netip.MustParseAddr("fe80::2") }, 1},
		{"another cluster", func(s *sighting) { s.cluster = "other" }, 0},
		{"another protocol", func(s *sighting) { s.protocol = "2" }, 0},
		{"a name that no node has", func(s *sighting) { s.name = "N 2" }, 0},
		{"an empty name", func(s *sighting) { s.name = "" }, 0},
		{"no port", func(s *sighting) { s.port = 0 }, 0},
		{"itself", func(s *sighting) { s.name = "n1" }, 0},
		{"more addresses than a node has", func(s *sighting) {
			for i := range 200 {
				s.addresses = append(s.addresses, netip.AddrFrom4([4]byte{10, 1, 0, byte(i + 1)}))
			}
		}, maxRoutes},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, nil).Host
			h.Clock = host.Wall{}
			s := newService(h, plug{newWire(), netip.MustParseAddr("10.0.0.1")}, Self{Name: "n1", Cluster: "id"}, func(string) {})
			s.look()
			found := good
			found.addresses = append([]netip.Addr{}, good.addresses...)
			tt.edit(&found)
			s.sighted(found)
			if got := len(s.table.due(s.clock.Now(), 2*maxRoutes)); got != tt.want {
				t.Errorf("%d questions, want %d", got, tt.want)
			}
		})
	}
}

// through asks the node of that name for a path, on a connection that another node passes
// on.
func through(ctx context.Context, w *wire, asker *Service, relay question, name, path string) string {
	inner := newService(&host.Host{Files: asker.files, Clock: asker.clock}, passedOn{w, asker, relay, name}, asker.self, asker.log)
	return said(inner.get(ctx, question{name, relay.at}, path))
}

// passedOn is a network in which every address is a node behind a relay.
type passedOn struct {
	*wire
	asker *Service
	relay question
	name  string
}

func (passedOn) links() ([]Link, error)                               { return nil, nil }
func (passedOn) listen(context.Context) (net.Listener, error)         { return nil, errors.New("it only asks") }
func (passedOn) announce(Self, []Link) (func(), error)                { return func() {}, nil }
func (passedOn) browse(context.Context, []Link, func(sighting)) error { return nil }

func (p passedOn) dial(ctx context.Context, _ netip.AddrPort) (net.Conn, error) {
	conn, err := plug{p.wire, netip.Addr{}}.dial(ctx, p.relay.at)
	if err != nil {
		return nil, err
	}
	secure := tls.Client(conn, p.asker.toAsk(p.relay.name))
	fmt.Fprintf(secure, "CONNECT %s:%d HTTP/1.1\r\nHost: %[1]s\r\n\r\n", p.name, Port)
	res, err := http.ReadResponse(bufio.NewReaderSize(secure, 16), nil)
	if err == nil && res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		err = errors.New(strings.TrimSpace(res.Status + ": " + string(text)))
	}
	return secure, err
}

// The operator reaches a node through another one, which learns nothing of what they say.
func TestTheOperatorIsPassedOn(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	me := self(ca, "n1")
	me.Tunnel = []Entry{entry4("n4", "10.83.0.4"), entry4("n5", "10.83.0.5"), entry4("lb", "10.83.0.6")}
	one, _ := w.start(t, me, "10.0.0.1", host.Wall{})
	asker := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "to "+r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	w.start(t, self(ca, "n4"), "10.83.0.4", host.Wall{}, func(s *Service) { s.Handle("/logs", Operator, asker) })
	w.start(t, self(ca, "x5"), "10.83.0.5", host.Wall{}, func(s *Service) { s.Handle("/logs", Operator, asker) })
	operator := newService(hosttest.New(t, nil).Host, plug{w, netip.Addr{}}, Self{Cert: ca.operator(nil), CA: ca.pool()}, func(string) {})
	relay := question{"n1", at("10.0.0.1")}
	for _, tt := range []struct {
		who        string
		by         *Service
		name, want string
	}{
		{"the operator", operator, "n4", "to berry operator"},
		{"the operator, to who is not that node", operator, "n5", "certificate is valid for x5, not n5"},
		{"the operator, to a node that is off", operator, "lb", "502 Bad Gateway: no route to host"},
		{"the operator, to nobody", operator, "n9", "502 Bad Gateway: n9 is silent"},
		{"a node", one, "n4", "403 Forbidden: this is not for you"},
	} {
		if got := through(t.Context(), w, tt.by, relay, tt.name, "/logs"); !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.who, got, tt.want)
		}
	}
	if n := len(one.relays); n > 0 {
		time.Sleep(time.Second)
		if n = len(one.relays); n > 0 {
			t.Errorf("%d connections are still passed on", n)
		}
	}
}
