package router

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"berries/firstboot/host"
)

// NATPMP is a router that speaks NAT-PMP (RFC 6886).
type NATPMP struct {
	h   *host.Host
	way Way
	// Epoch is how long the router has been counting. It begins anew when it has lost
	// what it was asked for.
	Epoch time.Duration
}

const (
	natpmpPort = 5351
	version    = 0
	opAddress  = 0
	opUDP      = 1
	opTCP      = 2
	isAnswer   = 128 // added to the code of the question
	ok         = 0
	// unknownVersion is the answer of a router that speaks PCP alone.
	unknownVersion = 1
)

// waits are how long each packet is waited for: RFC 6886 goes on to a minute, and a
// router that is there and well has answered the first.
var waits = []time.Duration{250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}

// errSilent is that the router does not answer.
var errSilent = errors.New("the router does not answer")

// results are the codes of RFC 6886 in words.
var results = map[int]string{
	2: "not allowed: NAT-PMP is there, and switched off",
	3: "the router itself has no address on the internet yet",
	4: "the router cannot hold any more of them",
	5: "the router does not know how",
}

// FindNATPMP asks whether the router speaks NAT-PMP. It is nil where it does not.
func FindNATPMP(ctx context.Context, h *host.Host, way Way) (*NATPMP, error) {
	p := &NATPMP{h: h, way: way}
	answer, err := p.ask(ctx, []byte{version, opAddress}, 12)
	switch {
	case errors.Is(err, errSilent), Refused(err, unknownVersion):
		return nil, nil
	case err != nil:
		return nil, err
	}
	p.Epoch = epoch(answer)
	return p, nil
}

// Grant is what the router has granted.
type Grant struct {
	Port  int // the outer one: not the one that was asked for where somebody else has that
	Lease time.Duration
	Epoch time.Duration
}

// Forward has the router forward a port to the same one of this node, for as long as
// lease says; 0 ends it.
func (p *NATPMP) Forward(ctx context.Context, port Port, lease time.Duration) (Grant, error) {
	op, outer := byte(opTCP), port.Number
	if port.UDP {
		op = opUDP
	}
	if lease == 0 {
		outer = 0
	}
	q := binary.BigEndian.AppendUint16([]byte{version, op, 0, 0}, uint16(port.Number))
	q = binary.BigEndian.AppendUint16(q, uint16(outer))
	q = binary.BigEndian.AppendUint32(q, uint32(lease/time.Second))
	answer, err := p.ask(ctx, q, 16)
	if err != nil {
		return Grant{}, err
	}
	if got := binary.BigEndian.Uint16(answer[8:]); int(got) != port.Number {
		return Grant{}, fmt.Errorf("the router answers for port %d", got)
	}
	return Grant{
		Port:  int(binary.BigEndian.Uint16(answer[10:])),
		Lease: time.Duration(binary.BigEndian.Uint32(answer[12:])) * time.Second,
		Epoch: epoch(answer),
	}, nil
}

// ask sends a question, again and again, until the router has given an answer of that
// size.
func (p *NATPMP) ask(ctx context.Context, question []byte, size int) (answer []byte, err error) {
	to := netip.AddrPortFrom(p.way.Router, natpmpPort)
	for _, wait := range waits {
		err := p.h.UDP.Ask(ctx, p.way.Own, to, question, wait, func(from netip.AddrPort, packet []byte) bool {
			// A refusal may be shorter: it ends behind the code.
			if from != to || len(packet) < 8 || packet[1] != question[1]+isAnswer || code(packet) == ok && len(packet) < size {
				return false
			}
			answer = append([]byte(nil), packet...)
			return true
		})
		if err != nil {
			return nil, fmt.Errorf("cannot ask the router by NAT-PMP: %w", err)
		}
		if answer == nil {
			continue
		}
		if c := code(answer); c != ok {
			return nil, &Refusal{c, results[c]}
		}
		return answer, nil
	}
	return nil, errSilent
}

func code(answer []byte) int { return int(binary.BigEndian.Uint16(answer[2:])) }

func epoch(answer []byte) time.Duration {
	return time.Duration(binary.BigEndian.Uint32(answer[4:])) * time.Second
}
