package router

import (
	"bufio"
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"

	"berries/firstboot/host"
)

// IGD is a router that speaks UPnP, version 1 or 2 of its Internet Gateway Device.
type IGD struct {
	way     Way
	service wanConnection
}

// wanConnection is what all versions of the service have in common.
type wanConnection interface {
	AddPortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string,
		internalPort uint16, internalClient string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remoteHost string, externalPort uint16, protocol string) (
		internalPort uint16, internalClient string, enabled bool, description string, lease uint32, err error)
	GetStatusInfoCtx(ctx context.Context) (status, lastError string, uptime uint32, err error)
}

// The router's refusals that are told apart.
const (
	InvalidArgs   = 402
	NotAuthorized = 606
	NoSuchMapping = 714
	Conflict      = 718
	OnlyPermanent = 725
)

const (
	anyHost         = ""
	answersWithin   = 5 * time.Second // one exchange over HTTP
	longestDocument = 64 << 10        // real ones have 20 KiB
)

// How long the router may take to say that it is there: it may wait for a second (MX),
// and a packet may be lost.
const (
	searchTries = 2
	searchWait  = 2 * time.Second
)

var ssdp = netip.MustParseAddrPort("239.255.255.250:1900")

// gatewayType asks for every version: a device of a later one answers to the first.
const gatewayType = "urn:schemas-upnp-org:device:InternetGatewayDevice:"

const search = "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: " + gatewayType + "1\r\n\r\n"

// FindIGD asks whether the router speaks UPnP. It is nil where it does not.
func FindIGD(ctx context.Context, h *host.Host, way Way) (*IGD, error) {
	var at *url.URL
	for range searchTries {
		err := h.UDP.Ask(ctx, way.Own, ssdp, []byte(search), searchWait, func(from netip.AddrPort, answer []byte) bool {
			if from.Addr() == way.Router {
				at = location(answer, way.Router)
			}
			return at != nil
		})
		if err != nil {
			return nil, fmt.Errorf("cannot look for a router that speaks UPnP: %w", err)
		}
		if at != nil {
			break
		}
	}
	if at == nil {
		return nil, nil
	}
	client := http.Client{
		Transport:     only{h.HTTP, way.Router},
		Timeout:       answersWithin,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	service, err := connection(ctx, client, at)
	if err != nil {
		return nil, fmt.Errorf("cannot make out how the router %s speaks UPnP: %s", way.Router, shown(err.Error()))
	}
	return &IGD{way, service}, nil
}

// location is where an answer to our search says that the router's description is; nil
// where it is no such answer, or leads elsewhere.
func location(answer []byte, router netip.Addr) *url.URL {
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(answer)), nil)
	if err != nil || res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("ST"), gatewayType) {
		return nil
	}
	at, err := url.Parse(res.Header.Get("LOCATION"))
	if err != nil || !leadsTo(at, router) {
		return nil
	}
	return at
}

func leadsTo(at *url.URL, router netip.Addr) bool {
	addr, err := netip.ParseAddr(at.Hostname())
	return at.Scheme == "http" && err == nil && addr == router
}

// only is HTTP with the router alone, whose answers end.
type only struct {
	http.RoundTripper
	router netip.Addr
}

// RoundTrip implements http.RoundTripper.
func (o only) RoundTrip(r *http.Request) (*http.Response, error) {
	if !leadsTo(r.URL, o.router) {
		return nil, fmt.Errorf("it leads to %s, which is not the router", shown(r.URL.Host))
	}
	res, err := o.RoundTripper.RoundTrip(r)
	if err == nil {
		res.Body = &bounded{res.Body, longestDocument}
	}
	return res, err
}

// bounded is a body that fails where it gets too long.
type bounded struct {
	io.ReadCloser
	left int
}

var errLong = fmt.Errorf("an answer is longer than %d KiB", longestDocument>>10)

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errLong
	}
	n, err := b.ReadCloser.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// connection reads the router's description, and chooses its connection to the
// internet.
func connection(ctx context.Context, client http.Client, at *url.URL) (wanConnection, error) {
	root, err := describe(ctx, client, at)
	if err != nil {
		return nil, err
	}
	var list []wanConnection
	for _, kind := range []struct {
		name string
		make func(goupnp.ServiceClient) wanConnection
	}{
		{internetgateway2.URN_WANIPConnection_2, func(c goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANIPConnection2{ServiceClient: c}
		}},
		{internetgateway2.URN_WANIPConnection_1, func(c goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANIPConnection1{ServiceClient: c}
		}},
		{internetgateway2.URN_WANPPPConnection_1, func(c goupnp.ServiceClient) wanConnection {
			return &internetgateway2.WANPPPConnection1{ServiceClient: c}
		}},
	} {
		for _, s := range root.Device.FindService(kind.name) {
			c := soap.NewSOAPClient(s.ControlURL.URL)
			c.HTTPClient = client
			list = append(list, kind.make(goupnp.ServiceClient{SOAPClient: c, RootDevice: root, Location: at, Service: s}))
		}
	}
	if len(list) == 0 {
		return nil, errors.New("its description has no connection to the internet")
	}
	return connected(ctx, list), nil
}

// connected is the connection that is in use, where a router has several: an old one
// may list PPP and IP, whatever it was set up for.
func connected(ctx context.Context, list []wanConnection) wanConnection {
	const most = 4
	if len(list) > 1 {
		for _, c := range list[:min(len(list), most)] {
			if status, _, _, err := c.GetStatusInfoCtx(ctx); err == nil && status == "Connected" {
				return c
			}
		}
	}
	return list[0]
}

func describe(ctx context.Context, client http.Client, at *url.URL) (*goupnp.RootDevice, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("its description is not there: %s", res.Status)
	}
	dec := xml.NewDecoder(res.Body)
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	var root goupnp.RootDevice
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("its description cannot be read: %w", err)
	}
	if base, err := url.Parse(root.URLBaseStr); err == nil && root.URLBaseStr != "" {
		at = base
	}
	root.SetURLBase(at)
	return &root, nil
}

// Mapping is where the router forwards a port to.
type Mapping struct {
	Client  string // the machine's address
	Port    int
	Enabled bool
	Words   string // of whoever asked for it
	// Left is how long it does so yet; 0 is for ever.
	Left time.Duration
}

// To is where it leads, for people.
func (m Mapping) To() string { return shown(m.Client) + " port " + strconv.Itoa(m.Port) }

// Mapping looks where the router forwards a port to. Found is false where it leads
// nowhere.
func (g *IGD) Mapping(ctx context.Context, port Port) (m Mapping, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	to, client, enabled, words, lease, err := g.service.GetSpecificPortMappingEntryCtx(ctx, anyHost, uint16(port.Number), port.protocol())
	if err = refusal(err); Refused(err, NoSuchMapping) {
		return Mapping{}, false, nil
	}
	if err != nil {
		return Mapping{}, false, err
	}
	return Mapping{client, int(to), enabled, words, time.Duration(lease) * time.Second}, true, nil
}

// Forward has the router forward a port to the same one of this node, for as long as
// lease says; 0 is for ever. Words tell people who asked for it.
func (g *IGD) Forward(ctx context.Context, port Port, words string, lease time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	return refusal(g.service.AddPortMappingCtx(ctx, anyHost, uint16(port.Number), port.protocol(), uint16(port.Number), g.way.Own.String(), true, words, uint32(lease/time.Second)))
}

// Forget has the router no longer forward a port.
func (g *IGD) Forget(ctx context.Context, port Port) error {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	return refusal(g.service.DeletePortMappingCtx(ctx, anyHost, uint16(port.Number), port.protocol()))
}

// refusal takes the router's own words out of an error, and bounds what there is else.
func refusal(err error) error {
	if err == nil {
		return nil
	}
	if fault, is := errors.AsType[*soap.SOAPFaultError](err); is && fault.Detail.UPnPError.Errorcode != 0 {
		return &Refusal{fault.Detail.UPnPError.Errorcode, shown(fault.Detail.UPnPError.ErrorDescription)}
	}
	return errors.New(shown(strings.TrimPrefix(err.Error(), "goupnp: ")))
}
