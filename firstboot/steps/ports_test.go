package steps

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/router/routertest"
	"berries/firstboot/status"
)

func wantsPorts() node.File {
	return node.File{Cluster: "berries", Name: "cluster01", Role: node.Storage, Ports: []node.Port{{For: node.WebPort, Number: 8081}, {For: node.SSHPort, Number: 22}}}
}

// behind is a machine behind that router.
func behind(t *testing.T, r *routertest.Router) *hosttest.Host {
	h := hosttest.New(t, map[string]string{"/proc/net/route": routertest.Routes, "/run/": ""})
	h.UDP, h.HTTP = r, r
	return h
}

// portsEndLike walks the step, and wants it to end like this and the router to have been
// asked for that: searches and looks aside.
func portsEndLike(t *testing.T, h *hosttest.Host, r *routertest.Router, state status.State, words string, asked ...string) {
	t.Helper()
	portsOfEndLike(t, wantsPorts(), h, r, state, words, asked...)
}

func portsOfEndLike(t *testing.T, f node.File, h *hosttest.Host, r *routertest.Router, state status.State, words string, asked ...string) {
	t.Helper()
	r.Asked = nil
	var end status.Step
	Run(t.Context(), h.Host, f, []Step{Ports{}}, func(_ int, s status.Step) { end = s })
	if end.State != state || !strings.Contains(end.Error, words) {
		t.Errorf("it ended %s: %s; want %s: %s", end.State, end.Error, state, words)
	}
	var got []string
	for _, a := range r.Asked {
		if strings.HasPrefix(a, "AddPort") || strings.HasPrefix(a, "DeletePort") || strings.HasPrefix(a, "map") {
			got = append(got, a)
		}
	}
	if diff := cmp.Diff(asked, got); diff != "" {
		t.Errorf("asked of the router (-want +got):\n%s", diff)
	}
}

const (
	add8081, add22 = "AddPortMapping 8081 86400", "AddPortMapping 22 86400"
	map8081, map22 = "map 8081 86400", "map 22 86400"
)

func speaksUPnP() *routertest.Router {
	return &routertest.Router{UPnP: true, Services: []string{"WANIPConnection:1"}}
}

func TestUPnPForwardsWhatTheNodeWants(t *testing.T) {
	r := speaksUPnP()
	h := behind(t, r)
	portsEndLike(t, h, r, status.Done, "", add8081, add22)
	want := map[int]routertest.Entry{
		8081: {Client: "192.168.2.5", Port: 8081, Words: "berry berries/cluster01", Lease: 86400},
		22:   {Client: "192.168.2.5", Port: 22, Words: "berry berries/cluster01", Lease: 86400},
	}
	if diff := cmp.Diff(want, r.Ports); diff != "" {
		t.Errorf("the router's list (-want +got):\n%s", diff)
	}
	portsEndLike(t, h, r, status.AlreadyDone, "")
}

// hub is a remote node that the others call for the tunnel, at the number of its sshd.
func hub() node.File {
	return node.File{Cluster: "berries", Name: "cluster04", Role: node.Remote,
		Ports: []node.Port{{For: node.SSHPort, Number: 51820}, {For: node.TunnelPort, Number: 51820}}}
}

func TestTheTunnelsPortIsForwardedByUDP(t *testing.T) {
	const tcp, udp = " 51820 86400", " UDP 51820 86400"
	for _, tt := range []struct {
		name   string
		router *routertest.Router
		asks   string
	}{
		{"UPnP", speaksUPnP(), "AddPortMapping"},
		{"NAT-PMP", &routertest.Router{NATPMP: true, Epoch: 1000}, "map"},
	} {
		r := tt.router
		h := behind(t, r)
		portsOfEndLike(t, hub(), h, r, status.Done, "", tt.asks+tcp, tt.asks+udp)
		if r.Ports[51820].Client != "192.168.2.5" || r.UDP[51820].Client != "192.168.2.5" {
			t.Errorf("%s forwards %v, and %v by UDP", tt.name, r.Ports, r.UDP)
		}
		portsOfEndLike(t, hub(), h, r, status.AlreadyDone, "")
	}
}

func TestATunnelsPortThatCannotBeHad(t *testing.T) {
	const instead = "give the cluster another tunnel_port in the profile and build every card anew"
	r := speaksUPnP()
	h := behind(t, r)
	r.UDP = map[int]routertest.Entry{51820: {Client: "192.168.2.77", Port: 51820}}
	portsOfEndLike(t, hub(), h, r, status.Failed, "the router 192.168.2.1 forwards UDP 51820 to 192.168.2.77 port 51820 already; take that away there, or "+instead)
	r.UDP = nil
	r.Refuse = map[string]int{"AddPortMapping": 606}
	f := hub()
	f.Ports = f.Ports[1:]
	portsOfEndLike(t, f, h, r, status.Failed, "does not forward UDP 51820: error 606 (in its words); allow it there; or forward by hand: UDP 51820 to 192.168.2.5 port 51820",
		"AddPortMapping UDP 51820 86400")
	r = &routertest.Router{NATPMP: true, UDP: map[int]routertest.Entry{51820: {Client: "192.168.2.77", Port: 51820}}}
	portsOfEndLike(t, f, behind(t, r), r, status.Failed, "offers port 52820 in place of UDP 51820, which another machine has, or which it may not forward; see there, or "+instead,
		"map UDP 51820 86400", "map UDP 51820 0")
}

func TestUPnPThatDiffers(t *testing.T) {
	ours := routertest.Entry{Client: "192.168.2.5", Port: 8081, Words: "berry berries/cluster01", Lease: 86400}
	like := func(edit func(*routertest.Entry)) routertest.Entry {
		e := ours
		edit(&e)
		return e
	}
	const taken = "already; take that away there, or give this node another web_port in the profile and build its card anew"
	for _, tt := range []struct {
		name  string
		entry routertest.Entry
		state status.State
		words string
		asked []string
	}{
		{"a lease that is half over", like(func(e *routertest.Entry) { e.Lease = 43199 }), status.Done, "", []string{add8081}},
		{"one that is not", like(func(e *routertest.Entry) { e.Lease = 43200 }), status.AlreadyDone, "", nil},
		{"one without an end", like(func(e *routertest.Entry) { e.Lease = 0 }), status.AlreadyDone, "", nil},
		{"a rule made by hand", like(func(e *routertest.Entry) { e.Words = "by hand" }), status.AlreadyDone, "", nil},
		{"a rule that is off", like(func(e *routertest.Entry) { e.Disabled = true }), status.Done, "", []string{add8081}},
		{"an earlier address", like(func(e *routertest.Entry) { e.Client = "192.168.2.77" }), status.Done, "", []string{"DeletePortMapping 8081", add8081}},
		{"an earlier port", like(func(e *routertest.Entry) { e.Port = 80 }), status.Done, "", []string{"DeletePortMapping 8081", add8081}},
		{"another machine", like(func(e *routertest.Entry) { e.Client, e.Words = "192.168.2.77", "a game" }), status.Failed,
			"the router 192.168.2.1 forwards TCP 8081 to 192.168.2.77 port 8081 " + taken, nil},
		{"another node of the cluster", like(func(e *routertest.Entry) { e.Client, e.Words = "192.168.2.77", "berry berries/cluster02" }), status.Failed, taken, nil},
		{"another program of this machine", like(func(e *routertest.Entry) { e.Port, e.Words = 80, "a game" }), status.Failed, "to 192.168.2.5 port 80 " + taken, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := speaksUPnP()
			r.Ports = map[int]routertest.Entry{8081: tt.entry, 22: {Client: "192.168.2.5", Port: 22}}
			portsEndLike(t, behind(t, r), r, tt.state, tt.words, tt.asked...)
		})
	}
}

func TestUPnPThatIsRefused(t *testing.T) {
	const hand = "or forward by hand: TCP 8081 to 192.168.2.5 port 8081"
	for _, tt := range []struct {
		name, action string
		code         int
		words        string
		asked        []string
	}{
		{"not allowed", "AddPortMapping", 606, "the router 192.168.2.1 does not forward TCP 8081: error 606 (in its words); allow it there; " + hand, []string{add8081}},
		{"taken by what it does not show", "AddPortMapping", 718, "the router 192.168.2.1 forwards TCP 8081 to another machine, or uses it itself, already", []string{add8081}},
		{"no lease and no end either", "AddPortMapping", 402, "error 402", []string{add8081, "AddPortMapping 8081 0"}},
		{"a list that it does not show", "GetSpecificPortMappingEntry", 501, "does not say where it forwards TCP 8081: error 501 (in its words); " + hand, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := speaksUPnP()
			r.Refuse = map[string]int{tt.action: tt.code}
			portsEndLike(t, behind(t, r), r, status.Failed, tt.words, tt.asked...)
		})
	}
}

func TestARouterThatDoesNotLetGoOfAnEarlierAddress(t *testing.T) {
	r := speaksUPnP()
	r.Ports = map[int]routertest.Entry{8081: {Client: "192.168.2.77", Port: 8081, Words: "berry berries/cluster01", Lease: 7200}}
	r.Refuse = map[string]int{"DeletePortMapping": 606}
	portsEndLike(t, behind(t, r), r, status.Failed, "forwards TCP 8081 to 192.168.2.77 port 8081, an earlier address of this node, and does so for another 2h0m0s: "+
		"error 606 (in its words); take that away there; or forward by hand: TCP 8081 to 192.168.2.5 port 8081", "DeletePortMapping 8081")
}

func TestARouterThatKnowsNoLeases(t *testing.T) {
	r := speaksUPnP()
	r.OnlyPermanent = true
	h := behind(t, r)
	portsEndLike(t, h, r, status.Done, "", add8081, "AddPortMapping 8081 0", add22, "AddPortMapping 22 0")
	portsEndLike(t, h, r, status.AlreadyDone, "")
}

func TestARouterThatGrantsLessIsAskedAfterHalfOfThat(t *testing.T) {
	r := speaksUPnP()
	r.MostLease = 3600
	h := behind(t, r)
	portsEndLike(t, h, r, status.Done, "", add8081, add22)
	portsEndLike(t, h, r, status.AlreadyDone, "")
	e := r.Ports[22]
	e.Lease = 1799
	r.Ports[22] = e
	portsEndLike(t, h, r, status.Done, "", add22)
	h.Remove("/run/berry") // after a boot nobody knows what was granted
	portsEndLike(t, h, r, status.Done, "", add8081, add22)
}

func TestNATPMPForwardsWhereUPnPIsOff(t *testing.T) {
	r := &routertest.Router{NATPMP: true, Epoch: 1000}
	h := behind(t, r)
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	portsEndLike(t, h, r, status.AlreadyDone, "")
	for _, asked := range r.Asked {
		if asked == "search" {
			t.Error("UPnP is looked for again")
		}
	}
	pass := func(d time.Duration, epoch int) {
		h.Clock.(*hosttest.Clock).Sleep(t.Context(), d)
		r.Epoch = epoch
	}
	pass(20*time.Minute, 1000+20*60)
	portsEndLike(t, h, r, status.AlreadyDone, "")
	pass(20*time.Minute, 1000+40*60*7/8) // a slow clock
	portsEndLike(t, h, r, status.AlreadyDone, "")
	pass(time.Minute, 50) // the router has forgotten
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	pass(time.Hour, 50+3600) // it might have, without a sign
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	r.MostLease = 600
	pass(time.Hour, 50+2*3600)
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	pass(5*time.Minute, 50+2*3600+300) // half of the lease is over
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	pass(-30*time.Hour, 50+3*3600) // this node's clock was wrong
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	h.Write("/run/berry/ports.json", "null")
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	r.NATPMP = false
	r.UPnP, r.Services = true, []string{"WANIPConnection:2"}
	portsEndLike(t, h, r, status.Done, "", add8081, add22)
}

func TestNATPMPThatIsRefused(t *testing.T) {
	r := &routertest.Router{NATPMP: true, Ports: map[int]routertest.Entry{8081: {Client: "192.168.2.77", Port: 80}}}
	h := behind(t, r)
	portsEndLike(t, h, r, status.Failed, "the router 192.168.2.1 offers port 9081 in place of TCP 8081, which another machine has, or which it may not forward; "+
		"see there, or give this node another web_port in the profile and build its card anew; or forward by hand: TCP 8081 to 192.168.2.5 port 8081",
		map8081, "map 8081 0")
	r.Refuse = map[string]int{"map": 2}
	portsEndLike(t, h, r, status.Failed, "does not forward TCP 8081: error 2 (not allowed: NAT-PMP is there, and switched off); allow it there; or forward by hand", map8081)
	r.Refuse = map[string]int{"address": 3}
	portsEndLike(t, h, r, status.Failed, "forwards no port by NAT-PMP: error 3 (the router itself has no address on the internet yet); or forward by hand")
}

func TestARouterThatCannotBeAsked(t *testing.T) {
	const both = "; or forward by hand: TCP 8081 to 192.168.2.5 port 8081, and TCP 22 to 192.168.2.5 port 22"
	r := &routertest.Router{}
	h := behind(t, r)
	portsEndLike(t, h, r, status.Failed, "the router 192.168.2.1 offers neither UPnP nor NAT-PMP; switch one of them on there"+both)
	r.UPnP = true
	portsEndLike(t, h, r, status.Failed, "cannot make out how the router 192.168.2.1 speaks UPnP: its description has no connection to the internet"+both)
	r.NATPMP = true
	portsEndLike(t, h, r, status.Done, "", map8081, map22)
	h.Write("/proc/net/route", "Iface\tDestination\n")
	portsEndLike(t, h, r, status.Failed, "there is no router: this node has no way out of its network yet")
}
