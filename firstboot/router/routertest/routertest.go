// Package routertest is a router for unit tests: what it is asked over UDP and HTTP it
// answers as its fields say, and writes down.
package routertest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/host/hosttest"
)

// The router's address, and the machine's route to it, for /proc/net/route.
const (
	Address = "192.168.2.1"
	Routes  = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
		"eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
		"eth0\t0002A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
)

// Entry is one port that the router forwards.
type Entry struct {
	Client   string
	Port     int
	Disabled bool
	Words    string
	Lease    int // seconds; 0 is for ever
}

// Router is one. Its zero value answers nobody.
type Router struct {
	UPnP, NATPMP bool
	// Services are the types in its description, after urn:schemas-upnp-org:service:.
	Services []string
	// Connected is the one of them that is in use.
	Connected string
	// Ports are those that it forwards by TCP, and UDP the others.
	Ports, UDP map[int]Entry
	// Refuse are the codes with which it refuses, by the name of the action; for
	// NAT-PMP by "map" and "address".
	Refuse map[string]int
	// OnlyPermanent has it refuse leases.
	OnlyPermanent bool
	MostLease     int // seconds, when set
	Epoch         int // of NAT-PMP, in seconds
	// From is where its packets come from, and Location where it says its description
	// is; Control is where its actions are. All have a usual value.
	From     netip.AddrPort
	Location string
	Control  string
	// Instead answers over HTTP in its place, when set and not nil.
	Instead func(*http.Request) *http.Response
	Asked   []string // such as "GET /desc.xml", "AddPortMapping 8081 86400", "map UDP 51820 86400"
}

// Source implements host.UDP.
func (r *Router) Source(netip.Addr) (netip.Addr, error) { return hosttest.Own, nil }

// Ask implements host.UDP.
func (r *Router) Ask(ctx context.Context, _ netip.Addr, to netip.AddrPort, packet []byte, _ time.Duration, heard func(netip.AddrPort, []byte) bool) error {
	var answer []byte
	from := to
	switch {
	case to.Port() == 1900:
		from = netip.MustParseAddrPort(Address + ":1900")
		if r.Asked = append(r.Asked, "search"); r.UPnP {
			answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n"+
				"EXT:\r\nLOCATION: %s\r\n\r\n", r.location())
		}
	case r.NATPMP:
		answer = r.natpmp(packet)
	default:
		r.Asked = append(r.Asked, "nothing that it knows")
	}
	if r.From.IsValid() {
		from = r.From
	}
	if answer != nil {
		heard(from, answer)
	}
	return context.Cause(ctx)
}

func (r *Router) location() string {
	if r.Location != "" {
		return r.Location
	}
	return "http://" + Address + ":5000/desc.xml"
}

// natpmp answers as RFC 6886 has it.
func (r *Router) natpmp(q []byte) []byte {
	name, udp := map[byte]string{0: "address", 1: "map", 2: "map"}[q[1]], q[1] == 1
	a := []byte{0, q[1] + 128}
	a = binary.BigEndian.AppendUint16(a, uint16(r.Refuse[name]))
	a = binary.BigEndian.AppendUint32(a, uint32(r.Epoch))
	if name == "address" {
		r.Asked = append(r.Asked, name)
		return append(a, 5, 45, 7, 2)
	}
	inner, outer, lease := binary.BigEndian.Uint16(q[4:]), int(binary.BigEndian.Uint16(q[6:])), int(binary.BigEndian.Uint32(q[8:]))
	r.Asked = append(r.Asked, fmt.Sprint(name, named(udp), " ", inner, " ", lease))
	if e, taken := r.list(udp)[outer]; taken && e.Client != hosttest.Own.String() {
		outer += 1000
	}
	if r.MostLease > 0 {
		lease = min(lease, r.MostLease)
	}
	if r.Refuse[name] == 0 && lease > 0 {
		r.put(udp, outer, Entry{Client: hosttest.Own.String(), Port: int(inner), Lease: lease})
	}
	a = binary.BigEndian.AppendUint16(a, inner)
	a = binary.BigEndian.AppendUint16(a, uint16(outer))
	return binary.BigEndian.AppendUint32(a, uint32(lease))
}

// named tells UDP from TCP in what was asked.
func named(udp bool) string {
	if udp {
		return " UDP"
	}
	return ""
}

// list are the ports that it forwards by one of the two.
func (r *Router) list(udp bool) map[int]Entry {
	if udp {
		return r.UDP
	}
	return r.Ports
}

func (r *Router) put(udp bool, port int, e Entry) {
	if r.Ports == nil {
		r.Ports = map[int]Entry{}
	}
	if r.UDP == nil {
		r.UDP = map[int]Entry{}
	}
	r.list(udp)[port] = e
}

// RoundTrip implements http.RoundTripper.
func (r *Router) RoundTrip(q *http.Request) (*http.Response, error) {
	if r.Instead != nil {
		if res := r.Instead(q); res != nil {
			return res, nil
		}
	}
	if q.Method == http.MethodGet {
		r.Asked = append(r.Asked, "GET "+q.URL.Path)
		return Response(http.StatusOK, r.description()), nil
	}
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	service, action := "", ""
	for name, value := range q.Header { // goupnp writes it in capitals, as Get does not look for it
		if strings.EqualFold(name, "SOAPAction") {
			service, action, _ = strings.Cut(strings.Trim(value[0], `"`), "#")
		}
	}
	args := map[string]string{}
	for _, m := range regexp.MustCompile(`<(New[A-Za-z]+)>([^<]*)</`).FindAllStringSubmatch(string(body), -1) {
		args[m[1]] = m[2]
	}
	code, answer := r.act(service, action, args)
	if code != 0 {
		return Response(http.StatusInternalServerError, fmt.Sprintf(envelope, fmt.Sprintf("<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring>"+
			"<detail><UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>%d</errorCode><errorDescription>in its words</errorDescription></UPnPError></detail></s:Fault>", code))), nil
	}
	return Response(http.StatusOK, fmt.Sprintf(envelope, "<u:"+action+"Response xmlns:u=\""+service+"\">"+answer+"</u:"+action+"Response>")), nil
}

const envelope = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ` +
	`s:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>%s</s:Body></s:Envelope>`

// act carries an action out.
func (r *Router) act(service, action string, args map[string]string) (code int, answer string) {
	udp := args["NewProtocol"] == "UDP"
	asked := action + named(udp)
	for _, name := range []string{"NewExternalPort", "NewLeaseDuration"} {
		if args[name] != "" {
			asked += " " + args[name]
		}
	}
	r.Asked = append(r.Asked, asked)
	port, _ := strconv.Atoi(args["NewExternalPort"])
	e, found := r.list(udp)[port]
	if code := r.Refuse[action]; code != 0 {
		return code, ""
	}
	switch action {
	case "GetStatusInfo":
		status := "Disconnected"
		if strings.HasSuffix(service, ":"+r.Connected) {
			status = "Connected"
		}
		return 0, "<NewConnectionStatus>" + status + "</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError><NewUptime>7</NewUptime>"
	case "GetSpecificPortMappingEntry":
		if !found {
			return 714, ""
		}
		enabled := map[bool]int{false: 1}[e.Disabled]
		return 0, fmt.Sprintf("<NewInternalPort>%d</NewInternalPort><NewInternalClient>%s</NewInternalClient><NewEnabled>%d</NewEnabled>"+
			"<NewPortMappingDescription>%s</NewPortMappingDescription><NewLeaseDuration>%d</NewLeaseDuration>", e.Port, e.Client, enabled, e.Words, e.Lease)
	case "DeletePortMapping":
		delete(r.list(udp), port)
		return 0, ""
	case "AddPortMapping":
		lease, _ := strconv.Atoi(args["NewLeaseDuration"])
		inner, _ := strconv.Atoi(args["NewInternalPort"])
		switch {
		case found && e.Client != args["NewInternalClient"]:
			return 718, ""
		case r.OnlyPermanent && lease > 0:
			return 725, ""
		case r.MostLease > 0:
			lease = min(lease, r.MostLease)
		}
		r.put(udp, port, Entry{Client: args["NewInternalClient"], Port: inner, Words: args["NewPortMappingDescription"], Lease: lease})
		return 0, ""
	}
	return 401, ""
}

// description is that of a device within devices, as those of routers are.
func (r *Router) description() string {
	control := r.Control
	if control == "" {
		control = "/control"
	}
	var services strings.Builder
	for _, s := range r.Services {
		fmt.Fprintf(&services, "<service><serviceType>urn:schemas-upnp-org:service:%s</serviceType><controlURL>%s</controlURL></service>", s, control)
	}
	return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>` +
		`<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>` +
		`<serviceList><service><serviceType>urn:schemas-upnp-org:service:Layer3Forwarding:1</serviceType><controlURL>/l3</controlURL></service></serviceList>` +
		`<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>` +
		`<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList>` + services.String() +
		`</serviceList></device></deviceList></device></deviceList></device></root>`
}

// Response is an answer over HTTP.
func Response(code int, body string) *http.Response {
	return &http.Response{StatusCode: code, Status: fmt.Sprint(code, " ", http.StatusText(code)), ContentLength: int64(len(body)),
		Header: http.Header{}, Body: io.NopCloser(bytes.NewBufferString(body))}
}
