package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"time"
)

// Network is the machine's own network.
type Network struct{}

// longestAnswer is what an Ethernet frame holds, and more.
const longestAnswer = 2 << 10

// Source implements UDP. It sends nothing.
func (Network) Source(to netip.Addr) (netip.Addr, error) {
	conn, err := net.Dial("udp4", netip.AddrPortFrom(to, 9).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return netip.MustParseAddrPort(conn.LocalAddr().String()).Addr(), nil
}

// Ask implements UDP. Linux sends to a multicast group through the interface that has
// the address from.
func (Network) Ask(ctx context.Context, from netip.Addr, to netip.AddrPort, packet []byte, limit time.Duration,
	heard func(netip.AddrPort, []byte) bool,
) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Unix(1, 0)) })()
	if _, err := conn.WriteToUDPAddrPort(packet, to); err != nil {
		return err
	}
	answer := make([]byte, longestAnswer)
	for ctx.Err() == nil {
		n, who, err := conn.ReadFromUDPAddrPort(answer)
		switch {
		case ctx.Err() != nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		case heard(netip.AddrPortFrom(who.Addr().Unmap(), who.Port()), answer[:n]):
			return nil
		}
	}
	return context.Cause(ctx)
}
