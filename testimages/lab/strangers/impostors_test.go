//go:build lab

package strangers

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/grandcat/zeroconf"

	"berries/firstboot/host"
	"berries/firstboot/peers"
	"berries/testimages/lab/cluster"
)

// impostor is a server that says it is a node.
type impostor struct {
	Says string     // what kind it is
	At   netip.Addr // an address of the stranger's
	Pair pair       // no certificate: it speaks plain HTTP
}

// crowd are impostors who announce themselves as one node with many addresses.
type crowd struct {
	Name, Cluster string
	Impostors     []impostor
	Members       []netip.Addr // who is asked, with each certificate
}

// event is something that an impostor has met with.
type event struct {
	Says   string
	Member netip.Addr
	// Called: the member has connected. Believed: it has asked for the state.
	// Answered: it has told the impostor its own.
	What string
}

const (
	actImpostors = "impostors"
	called       = "called"
	believed     = "believed"
	answered     = "answered"
)

func impostors(t *testing.T, l lan) {
	other := nobody(t)
	expired := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1, 0) }
	self := nobody(t)
	list := []impostor{
		{Says: "no certificate"},
		{Says: "a certificate of its own", Pair: self.pair(t, self.cert.Raw, self.key)},
		{Says: "another cluster's certificate", Pair: other.node(t, late, nil)},
		{Says: "an expired certificate", Pair: l.secrets.ca.node(t, late, expired)},
		{Says: "another name's certificate", Pair: l.secrets.ca.node(t, "somebody", func(c *x509.Certificate) { c.DNSNames = []string{"somebody", "else"} })},
		{Says: "a client's certificate", Pair: l.secrets.ca.node(t, "operator", func(c *x509.Certificate) {
			c.DNSNames, c.ExtKeyUsage = nil, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
			c.Subject.CommonName = "operators"
		})},
	}
	for i := range list {
		list[i].At = inLAN(byte(220 + i))
	}
	c := l.announce(t, list...)
	for _, i := range list {
		for _, name := range early {
			within(t, bootLimit, fmt.Sprintf("%s has called who has %s", name, i.Says), func() bool {
				return c.has(event{i.Says, address(t, l.Lab, name), called})
			})
		}
	}
	time.Sleep(3 * time.Second) // for a belief to come after all
	for _, e := range c.all() {
		if e.What == believed || e.What == answered {
			t.Errorf("who has %s was %s by %s", e.Says, e.What, e.Member)
		}
	}
	l.noneAdmitted(t, list...)
}

// noneAdmitted looks for impostors in the hosts files of the members.
func (l lan) noneAdmitted(t *testing.T, list ...impostor) {
	t.Helper()
	for _, name := range early {
		at := hosts(t, l.Lab, name)
		if len(at) != len(all()) {
			t.Errorf("%s knows the nodes %v, want %v", name, at, all())
		}
		for _, i := range list {
			for node, a := range at {
				if a == i.At.String() {
					t.Errorf("%s takes who has %s for %s", name, i.Says, node)
				}
			}
		}
	}
}

// stolen is the proof that an impostor would be seen: one with a certificate that the
// cluster's CA has signed is believed.
func stolen(t *testing.T, l lan) {
	thief := impostor{Says: "a member's certificate", At: inLAN(230), Pair: l.secrets.ca.node(t, late, nil)}
	c := l.announce(t, thief)
	for _, name := range early {
		within(t, bootLimit, name+" takes the thief for "+late, func() bool {
			return hosts(t, l.Lab, name)[late] == thief.At.String()
		})
		for _, what := range []string{believed, answered} {
			if e := (event{thief.Says, address(t, l.Lab, name), what}); !c.has(e) {
				t.Errorf("not seen: %+v", e)
			}
		}
	}
}

// seen are the events that a crowd has told of.
type seen struct {
	mu     sync.Mutex
	events []event
}

func (s *seen) has(e event) bool { return slices.Contains(s.all(), e) }

func (s *seen) all() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.events)
}

// announce has impostors announced as the late node, until the end of the test.
func (l lan) announce(t *testing.T, list ...impostor) *seen {
	t.Helper()
	c := crowd{Name: late, Cluster: l.secrets.id, Impostors: list}
	for _, name := range early {
		c.Members = append(c.Members, address(t, l.Lab, name))
	}
	for _, i := range list {
		if _, err := l.stranger.Run(t.Context(), host.Command("ip", "addr", "add", i.At.String()+"/24", "dev", "eth0")); err != nil {
			t.Fatal(err)
		}
	}
	s := &seen{}
	out := run(t, l.stranger, again(t, actImpostors, c))
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e event
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				s.mu.Lock()
				s.events = append(s.events, e)
				s.mu.Unlock()
			}
		}
	}()
	return s
}

// run starts a stranger's program, which ends with the test, and gives what it prints.
func run(t *testing.T, s *cluster.Stranger, cmd host.Cmd) io.Reader {
	t.Helper()
	cmd, err := s.Command(cmd)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(cmd.Name, cmd.Args...)
	c.Stdin, c.Stderr = cmd.Stdin, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait()
	})
	return out
}

// beImpostors is the program of a crowd.
func beImpostors(ctx context.Context) error {
	c, err := told[crowd]()
	if err != nil {
		return err
	}
	log.SetOutput(io.Discard)
	tell := teller()
	var ips []string
	for _, i := range c.Impostors {
		ips = append(ips, i.At.String())
		if err := i.serve(tell); err != nil {
			return err
		}
	}
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	text := []string{"cluster=" + c.Cluster, fmt.Sprintf("protocol=%d", peers.Protocol), "role=storage"}
	server, err := zeroconf.RegisterProxy(c.Name, "_berry-cluster._tcp", "local", peers.Port, "impostor", ips, text, []net.Interface{*eth0})
	if err != nil {
		return err
	}
	defer server.Shutdown()
	for ; ; time.Sleep(time.Second) {
		for _, i := range c.Impostors {
			for _, m := range c.Members {
				if i.ask(m) == nil {
					tell(event{i.Says, m, answered})
				}
			}
		}
	}
}

func teller() func(event) {
	var mu sync.Mutex
	return func(e event) {
		mu.Lock()
		defer mu.Unlock()
		json.NewEncoder(os.Stdout).Encode(e)
	}
}

// serve answers as a node would. Who believes it gets an answer.
func (i impostor) serve(tell func(event)) error {
	listener, err := net.Listen("tcp", netip.AddrPortFrom(i.At, peers.Port).String())
	if err != nil {
		return err
	}
	from := func(address string) netip.Addr { return netip.MustParseAddrPort(address).Addr() }
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			tell(event{i.Says, from(r.RemoteAddr), believed})
			fmt.Fprintf(w, `{"protocol":%d,"name":%q,"role":"storage","addresses":[%q],"state":{"ready":true}}`, peers.Protocol, late, i.At)
		}),
		ConnState: func(c net.Conn, state http.ConnState) {
			if state == http.StateNew {
				tell(event{i.Says, from(c.RemoteAddr().String()), called})
			}
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	if i.Pair.Cert == "" {
		go server.Serve(listener)
		return nil
	}
	cert, err := tls.X509KeyPair([]byte(i.Pair.Cert), []byte(i.Pair.Key))
	if err != nil {
		return err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert}
	go server.ServeTLS(listener, "", "")
	return nil
}

// ask asks a member for its state, and is content with whoever answers.
func (i impostor) ask(member netip.Addr) error {
	config := &tls.Config{InsecureSkipVerify: true}
	if i.Pair.Cert != "" {
		cert, err := tls.X509KeyPair([]byte(i.Pair.Cert), []byte(i.Pair.Key))
		if err != nil {
			return err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
	response, err := client.Get("https://" + netip.AddrPortFrom(member, peers.Port).String() + "/state")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", response.Status)
	}
	return nil
}
