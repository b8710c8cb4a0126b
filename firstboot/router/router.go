// Package router asks the router of a home to forward ports to this node: by UPnP
// (FindIGD), or by NAT-PMP (FindNATPMP). What goes in is the node's way to the
// internet, as the kernel has it; what comes out is what the router does with a port,
// and why it will not do what it is asked.
//
// Nobody on a home network is trusted. Only the default gateway is asked, and only what
// comes from its address is heard; whatever it says is cut off at a size and at a time,
// and where it sends us on to another address we do not go. Who can forge the address
// of the gateway can still forward ports of his own, or keep ours closed, but that he
// could do without us.
//
// UPnP is github.com/huin/goupnp's: its types for descriptions, and its calls. Looking
// for the router, and fetching descriptions, is done here, since goupnp opens sockets of
// its own, believes everybody, and reads to the end whatever comes. NAT-PMP is written
// out for the same reason: github.com/jackpal/go-nat-pmp opens its own socket, and its
// waiting for up to two minutes cannot be stopped.
//
// Not here on purpose: IPv6, which knows no port forwarding; PCP, which routers speak
// beside NAT-PMP.
package router

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"berries/firstboot/host"
)

// Way is how this node reaches the internet.
type Way struct {
	Router netip.Addr `json:"router"` // the default gateway
	Own    netip.Addr `json:"own"`    // the node's address, as the router sees it
}

// Port is a port that the router forwards, or is to.
type Port struct {
	UDP    bool // else TCP
	Number int
}

// protocol is its name, as people and UPnP know it.
func (p Port) protocol() string {
	if p.UDP {
		return "UDP"
	}
	return "TCP"
}

func (p Port) String() string { return p.protocol() + " " + strconv.Itoa(p.Number) }

// ErrNone is that this node has no default gateway.
var ErrNone = errors.New("there is no router: this node has no way out of its network yet")

const routes = "/proc/net/route"

// Default is the way that the kernel has.
func Default(h *host.Host) (Way, error) {
	text, err := h.Files.Read(routes)
	if err != nil {
		return Way{}, err
	}
	router, ok := gateway(string(text))
	if !ok {
		return Way{}, ErrNone
	}
	own, err := h.UDP.Source(router)
	if err != nil {
		return Way{}, fmt.Errorf("cannot tell this node's address: %w", err)
	}
	return Way{router, own}, nil
}

// gateway is that of the default route with the lowest metric. Lines have the fields
// Iface, Destination, Gateway, Flags, RefCnt, Use, Metric, Mask and more; addresses are
// numbers in this machine's byte order.
func gateway(routes string) (gateway netip.Addr, found bool) {
	const up, viaGateway = 0x1, 0x2
	best := math.MaxInt
	for line := range strings.Lines(routes) {
		w := strings.Fields(line)
		if len(w) < 8 || w[1] != "00000000" || w[7] != "00000000" {
			continue
		}
		flags, err1 := strconv.ParseUint(w[3], 16, 16)
		metric, err2 := strconv.Atoi(w[6])
		bytes, err3 := hex.DecodeString(w[2])
		if err := errors.Join(err1, err2, err3); err != nil || len(bytes) != 4 || flags&(up|viaGateway) != up|viaGateway || metric >= best {
			continue
		}
		var addr [4]byte
		binary.NativeEndian.PutUint32(addr[:], binary.BigEndian.Uint32(bytes))
		gateway, found, best = netip.AddrFrom4(addr), true, metric
	}
	return gateway, found
}

// Refusal is the router's own no.
type Refusal struct {
	Code  int
	Words string
}

func (r *Refusal) Error() string { return fmt.Sprintf("error %d (%s)", r.Code, r.Words) }

// Refused tells whether an error is the router's no with that code.
func Refused(err error, code int) bool {
	r, is := errors.AsType[*Refusal](err)
	return is && r.Code == code
}

// shown makes words of a stranger fit for one line of status.
func shown(words string) string {
	const most = 160
	words = strings.Join(strings.FieldsFunc(words, func(r rune) bool { return !unicode.IsPrint(r) || unicode.IsSpace(r) }), " ")
	if len(words) > most {
		words = strings.ToValidUTF8(words[:most], "") + "..."
	}
	return strings.ToValidUTF8(words, "?")
}
