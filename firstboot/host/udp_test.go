package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// echo answers every packet twice, at the address that it gives.
func echo(t *testing.T) netip.AddrPort {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: loopback.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buf := make([]byte, 4<<10)
		for {
			n, who, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			conn.WriteToUDPAddrPort(buf[:n], who)
			conn.WriteToUDPAddrPort([]byte("again"), who)
		}
	}()
	return netip.MustParseAddrPort(conn.LocalAddr().String())
}

func TestAQuestionIsAnsweredUntilThereIsEnough(t *testing.T) {
	at := echo(t)
	var got []string
	err := Network{}.Ask(t.Context(), loopback, at, []byte("hello"), time.Minute, func(from netip.AddrPort, answer []byte) bool {
		if from != at {
			t.Errorf("an answer of %v, want %v", from, at)
		}
		got = append(got, string(answer))
		return len(got) == 2
	})
	if err != nil || got[0] != "hello" || got[1] != "again" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestALongAnswerIsCutOff(t *testing.T) {
	Network{}.Ask(t.Context(), loopback, echo(t), make([]byte, 3<<10), time.Minute, func(_ netip.AddrPort, answer []byte) bool {
		if len(answer) != longestAnswer {
			t.Errorf("got %d bytes, want %d", len(answer), longestAnswer)
		}
		return true
	})
}

func TestAQuestionEnds(t *testing.T) {
	at := echo(t)
	never := func(netip.AddrPort, []byte) bool { return false }
	if err := (Network{}).Ask(t.Context(), loopback, at, nil, 50*time.Millisecond, never); err != nil {
		t.Errorf("in time: %v", err)
	}
	stopped := errors.New("stopped")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(50*time.Millisecond, func() { cancel(stopped) })
	if err := (Network{}).Ask(ctx, loopback, at, nil, time.Hour, never); !errors.Is(err, stopped) {
		t.Errorf("when it is stopped: %v", err)
	}
}

func TestSource(t *testing.T) {
	if got, err := (Network{}).Source(loopback); got != loopback || err != nil {
		t.Errorf("got %v, %v", got, err)
	}
}
