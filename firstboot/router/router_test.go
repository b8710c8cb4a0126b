package router

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/router/routertest"
)

var way = Way{Router: netip.MustParseAddr(routertest.Address), Own: hosttest.Own}

var web, tunnel = Port{Number: 8081}, Port{UDP: true, Number: 8081}

// at is a machine behind that router.
func at(t *testing.T, r *routertest.Router) *hosttest.Host {
	h := hosttest.New(t, map[string]string{routes: routertest.Routes})
	h.UDP, h.HTTP = r, r
	return h
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTheWayOfThisNode(t *testing.T) {
	h := at(t, &routertest.Router{})
	if got, err := Default(h.Host); got != way || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
	h.Write(routes, "Iface\tDestination\n")
	if _, err := Default(h.Host); !errors.Is(err, ErrNone) {
		t.Errorf("without a router: %v", err)
	}
}

func TestTheDefaultGateway(t *testing.T) {
	const head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	route := func(dest, gateway, flags, metric, mask string) string {
		return strings.Join([]string{"eth0", dest, gateway, flags, "0", "0", metric, mask, "0", "0", "0\n"}, "\t")
	}
	for _, tt := range []struct{ name, routes, want string }{
		{"one", route("00000000", "0102A8C0", "0003", "0", "00000000"), "192.168.2.1"},
		{"the one with the lower metric", route("00000000", "0102A8C0", "0003", "600", "00000000") + route("00000000", "0103A8C0", "0003", "100", "00000000"), "192.168.3.1"},
		{"none but a network", route("0002A8C0", "00000000", "0001", "0", "00FFFFFF"), ""},
		{"half of the internet, as tunnels have it", route("00000000", "0102A8C0", "0003", "0", "00000080"), ""},
		{"one without a gateway", route("00000000", "00000000", "0001", "0", "00000000"), ""},
		{"one that is down", route("00000000", "0102A8C0", "0002", "0", "00000000"), ""},
		{"garbage", route("00000000", "zz", "0003", "0", "00000000") + "\x00\n", ""},
	} {
		got, found := gateway(head + tt.routes)
		if found != (tt.want != "") || found && got.String() != tt.want {
			t.Errorf("%s: got %v, %v; want %s", tt.name, got, found, tt.want)
		}
	}
}

func TestWhereADescriptionMayBe(t *testing.T) {
	answer := func(status, st, location string) string {
		return "HTTP/1.1 " + status + "\r\nST: " + st + "\r\nLOCATION: " + location + "\r\n\r\n"
	}
	const device, here = gatewayType + "1", "http://192.168.2.1:49000/igd.xml"
	for _, tt := range []struct {
		name, answer string
		ok           bool
	}{
		{"at the router", answer("200 OK", device, here), true},
		{"a later version", answer("200 OK", gatewayType+"2", here), true},
		{"another device", answer("200 OK", "urn:schemas-upnp-org:device:MediaServer:1", here), false},
		{"at another machine", answer("200 OK", device, "http://192.168.2.9/igd.xml"), false},
		{"at a name", answer("200 OK", device, "http://fritz.box/igd.xml"), false},
		{"by another scheme", answer("200 OK", device, "file://192.168.2.1/etc/passwd"), false},
		{"behind a login", answer("200 OK", device, "http://192.168.2.1:80@192.168.2.9/"), false},
		{"nowhere", answer("200 OK", device, ""), false},
		{"a fault", answer("500 Oh", device, here), false},
		{"an announcement", "NOTIFY * HTTP/1.1\r\nNT: " + device + "\r\nLOCATION: " + here + "\r\n\r\n", false},
		{"garbage", "\xff\x00", false},
		{"nothing", "", false},
	} {
		if got := location([]byte(tt.answer), way.Router); (got != nil) != tt.ok {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func FuzzLocation(f *testing.F) {
	f.Add("HTTP/1.1 200 OK\r\nST: " + gatewayType + "1\r\nLOCATION: http://192.168.2.1:49000/igd.xml\r\n\r\n")
	f.Fuzz(func(t *testing.T, answer string) {
		if got := location([]byte(answer), way.Router); got != nil && got.Hostname() != routertest.Address {
			t.Errorf("%q leads to %v", answer, got)
		}
	})
}

func TestARouterIsFoundByUPnP(t *testing.T) {
	elsewhere := func(*http.Request) *http.Response {
		res := routertest.Response(http.StatusFound, "")
		res.Header.Set("Location", "http://192.168.2.9/")
		return res
	}
	endless := func(*http.Request) *http.Response {
		res := routertest.Response(http.StatusOK, "")
		res.Body = io.NopCloser(io.MultiReader(strings.NewReader("<root>"), forever{}))
		return res
	}
	const unclear = "cannot make out how the router 192.168.2.1 speaks UPnP: "
	for _, tt := range []struct {
		name   string
		router routertest.Router
		found  bool
		asked  []string
		err    string
	}{
		{"one that does not speak it", routertest.Router{}, false, []string{"search", "search"}, ""},
		{"version 2", routertest.Router{UPnP: true, Services: []string{"WANIPConnection:2"}}, true, []string{"search", "GET /desc.xml"}, ""},
		{"DSL", routertest.Router{UPnP: true, Services: []string{"WANPPPConnection:1"}}, true, []string{"search", "GET /desc.xml"}, ""},
		{"two connections", routertest.Router{UPnP: true, Services: []string{"WANIPConnection:1", "WANPPPConnection:1"}, Connected: "WANPPPConnection:1"},
			true, []string{"search", "GET /desc.xml", "GetStatusInfo", "GetStatusInfo"}, ""},
		{"another machine that says it is one", routertest.Router{UPnP: true, From: netip.MustParseAddrPort("192.168.2.9:1900")}, false, []string{"search", "search"}, ""},
		{"a description somewhere else", routertest.Router{UPnP: true, Location: "http://192.168.2.9/"}, false, []string{"search", "search"}, ""},
		{"no connection", routertest.Router{UPnP: true}, false, []string{"search", "GET /desc.xml"}, unclear + "its description has no connection to the internet"},
		{"a description that has moved", routertest.Router{UPnP: true, Instead: elsewhere}, false, []string{"search"}, unclear + "its description is not there: 302 Found"},
		{"a description without an end", routertest.Router{UPnP: true, Instead: endless}, false, []string{"search"},
			unclear + "its description cannot be read: an answer is longer than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			igd, err := FindIGD(t.Context(), at(t, &tt.router).Host, way)
			if (igd != nil) != tt.found || text(err) != tt.err {
				t.Errorf("got %v, %v; want %v, %s", igd, err, tt.found, tt.err)
			}
			if diff := cmp.Diff(tt.asked, tt.router.Asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
		})
	}
}

// forever is a text without an end.
type forever struct{}

func (forever) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestForwardingByUPnP(t *testing.T) {
	r := &routertest.Router{UPnP: true, Services: []string{"WANIPConnection:1"}}
	igd, err := FindIGD(t.Context(), at(t, r).Host, way)
	if err != nil {
		t.Fatal(err)
	}
	r.Asked = nil
	if _, found, err := igd.Mapping(t.Context(), web); found || err != nil {
		t.Errorf("at first: %v, %v", found, err)
	}
	if err := igd.Forward(t.Context(), web, "berry & co", time.Hour); err != nil {
		t.Error(err)
	}
	got, found, err := igd.Mapping(t.Context(), web)
	if diff := cmp.Diff(Mapping{Client: "192.168.2.5", Port: 8081, Enabled: true, Words: "berry & co", Left: time.Hour}, got); diff != "" || !found || err != nil {
		t.Errorf("%v, %v (-want +got):\n%s", found, err, diff)
	}
	if err := igd.Forget(t.Context(), web); err != nil || len(r.Ports) != 0 {
		t.Errorf("it is forgotten: %v, %v", err, r.Ports)
	}
	if err := igd.Forward(t.Context(), tunnel, "by UDP", 0); err != nil || len(r.Ports) != 0 || r.UDP[8081].Words != "by UDP" {
		t.Errorf("by UDP: %v, %v, %v", err, r.Ports, r.UDP)
	}
	if _, found, err := igd.Mapping(t.Context(), web); found || err != nil {
		t.Errorf("by TCP as well: %v, %v", found, err)
	}
	want := []string{"GetSpecificPortMappingEntry 8081", "AddPortMapping 8081 3600", "GetSpecificPortMappingEntry 8081", "DeletePortMapping 8081",
		"AddPortMapping UDP 8081 0", "GetSpecificPortMappingEntry 8081"}
	if diff := cmp.Diff(want, r.Asked); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

func TestARouterThatDoesNotDoAsItIsAsked(t *testing.T) {
	page := func(code int, body string) func(*http.Request) *http.Response {
		return func(q *http.Request) *http.Response {
			if q.Method == http.MethodGet {
				return nil
			}
			return routertest.Response(code, body)
		}
	}
	for _, tt := range []struct {
		name    string
		control string
		instead func(*http.Request) *http.Response
		refuse  int
		want    string
	}{
		{"it refuses", "", nil, 606, "error 606 (in its words)"},
		{"its control is elsewhere", "http://192.168.2.9/control", nil, 0, "it leads to 192.168.2.9, which is not the router"},
		{"it answers with a page", "", page(200, "<html>"), 0, "error decoding response body: "},
		{"with a fault that says nothing", "", page(500, ""), 0, "SOAP request got HTTP 500"},
		{"with what is no port", "", page(200, `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`+strings.Repeat("A", 1000)+`</s:Body></s:Envelope>`), 0, "EOF"},
		{"with a very long answer", "", page(200, strings.Repeat(" ", longestDocument+1)), 0, "longer than 64 KiB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &routertest.Router{UPnP: true, Services: []string{"WANIPConnection:1"}, Control: tt.control, Instead: tt.instead,
				Refuse: map[string]int{"GetSpecificPortMappingEntry": tt.refuse}}
			igd, err := FindIGD(t.Context(), at(t, r).Host, way)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = igd.Mapping(t.Context(), web)
			if !strings.Contains(text(err), tt.want) || len(text(err)) > 200 {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

// packets is a network on which the packets of a transcript come back, whatever is asked.
type packets struct {
	hosttest.Silence
	from    string
	answers []string
	asked   []string
	waited  time.Duration
}

func (p *packets) Ask(ctx context.Context, _ netip.Addr, to netip.AddrPort, packet []byte, limit time.Duration, heard func(netip.AddrPort, []byte) bool) error {
	p.asked = append(p.asked, fmt.Sprintf("%v %x", to, packet))
	for _, a := range p.answers {
		if heard(netip.MustParseAddrPort(p.from), []byte(a)) {
			return context.Cause(ctx)
		}
	}
	p.waited += limit
	return context.Cause(ctx)
}

func TestARouterIsFoundByNATPMP(t *testing.T) {
	const good = "\x00\x80\x00\x00\x00\x00\x04E\x05-\x07\x02" // as miniupnpd 2.3.1 answers
	for _, tt := range []struct {
		name, from string
		answers    []string
		found      bool
		err        string
		asked      int
	}{
		{"an answer", "192.168.2.1:5351", []string{good}, true, "", 1},
		{"an answer behind others", "192.168.2.1:5351", []string{"", "\x00", good[:11], "\x00\x82" + good[2:], good}, true, "", 1},
		{"another machine's", "192.168.2.9:5351", []string{good}, false, "", 4},
		{"one from another port", "192.168.2.1:53", []string{good}, false, "", 4},
		{"none", "192.168.2.1:5351", nil, false, "", 4},
		{"PCP alone", "192.168.2.1:5351", []string{"\x02\x80\x00\x01\x00\x00\x00\x00\x00\x00\x04E"}, false, "", 1},
		{"a refusal", "192.168.2.1:5351", []string{"\x00\x80\x00\x02\x00\x00\x04E"}, false, "error 2 (not allowed: NAT-PMP is there, and switched off)", 1},
		{"no address of its own", "192.168.2.1:5351", []string{"\x00\x80\x00\x03\x00\x00\x04E\x00\x00\x00\x00"}, false, "error 3 (the router itself has no address on the internet yet)", 1},
	} {
		h := hosttest.New(t, nil)
		net := &packets{from: tt.from, answers: tt.answers}
		h.UDP = net
		got, err := FindNATPMP(t.Context(), h.Host, way)
		if (got != nil) != tt.found || text(err) != tt.err || len(net.asked) != tt.asked || net.waited > 4*time.Second {
			t.Errorf("%s: got %v, %v after %q and %v", tt.name, got, err, net.asked, net.waited)
		}
		if got != nil && got.Epoch != 0x445*time.Second {
			t.Errorf("%s: its count is %v", tt.name, got.Epoch)
		}
		if want := "192.168.2.1:5351 0000"; net.asked[0] != want {
			t.Errorf("asked %s, want %s", net.asked[0], want)
		}
	}
}

func TestForwardingByNATPMP(t *testing.T) {
	for _, tt := range []struct {
		name, answer string
		lease        time.Duration
		asked        string
		want         Grant
		err          string
		port         Port
	}{
		{"granted", "\x00\x82\x00\x00\x00\x00\x04E\x1f\x91\x1f\x91\x00\x00\x1c\x20", 2 * time.Hour, "000200001f911f9100001c20", Grant{8081, 2 * time.Hour, 1093 * time.Second}, "", web},
		{"granted by UDP", "\x00\x81\x00\x00\x00\x00\x04E\x1f\x91\x1f\x91\x00\x00\x1c\x20", 2 * time.Hour, "000100001f911f9100001c20", Grant{8081, 2 * time.Hour, 1093 * time.Second}, "", tunnel},
		{"another port", "\x00\x82\x00\x00\x00\x00\x04E\x1f\x91\x1f\x92\x00\x00\x0e\x10", 2 * time.Hour, "000200001f911f9100001c20", Grant{8082, time.Hour, 1093 * time.Second}, "", web},
		{"ended", "\x00\x82\x00\x00\x00\x00\x04E\x1f\x91\x00\x00\x00\x00\x00\x00", 0, "000200001f91000000000000", Grant{0, 0, 1093 * time.Second}, "", web},
		{"an answer for another port", "\x00\x82\x00\x00\x00\x00\x04E\x1f\x92\x1f\x92\x00\x00\x1c\x20", 2 * time.Hour, "000200001f911f9100001c20", Grant{}, "the router answers for port 8082", web},
		{"a full table", "\x00\x82\x00\x04\x00\x00\x04E\x1f\x91\x1f\x91\x00\x00\x00\x00", 2 * time.Hour, "000200001f911f9100001c20", Grant{}, "error 4 (the router cannot hold any more of them)", web},
		{"silence", "", 2 * time.Hour, "000200001f911f9100001c20", Grant{}, "the router does not answer", web},
	} {
		h := hosttest.New(t, nil)
		net := &packets{from: "192.168.2.1:5351", answers: []string{tt.answer}}
		h.UDP = net
		got, err := (&NATPMP{h: h.Host, way: way}).Forward(t.Context(), tt.port, tt.lease)
		if got != tt.want || text(err) != tt.err || net.asked[0] != "192.168.2.1:5351 "+tt.asked {
			t.Errorf("%s: got %v, %v, asked %q; want %v, %s, %s", tt.name, got, err, net.asked[0], tt.want, tt.err, tt.asked)
		}
	}
}

func TestWordsOfAStranger(t *testing.T) {
	for words, want := range map[string]string{
		"a\nb\x1b[31m\tc":        "a b [31m c",
		strings.Repeat("ä", 100): strings.Repeat("ä", 80) + "...",
		"":                       "",
		"a\xffb":                 "a?b",
	} {
		if got := shown(words); got != want {
			t.Errorf("%q is shown as %q, want %q", words, got, want)
		}
	}
}
