package qemu

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"
	"time"
)

// plug is a machine's end of a wire.
type plug struct {
	net.Conn
	t *testing.T
}

func plugIn(t *testing.T, l *LAN) plug {
	t.Helper()
	wire, err := net.Dial("unix", l.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { wire.Close() })
	return plug{wire, t}
}

// sends sends a frame, whose addresses are of one byte each.
func (p plug) sends(to, by byte, text string) {
	p.t.Helper()
	frame := make([]byte, 14, 14+len(text))
	frame[0], frame[5], frame[6], frame[11] = 0x52|to&1, to, 0x52, by // an odd first byte is for all
	frame = append(frame, text...)
	if _, err := p.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(frame))), frame...)); err != nil {
		p.t.Error(err)
	}
}

// gets waits for a frame.
func (p plug) gets() string {
	p.t.Helper()
	p.SetReadDeadline(time.Now().Add(10 * time.Second))
	length := make([]byte, 4)
	if _, err := io.ReadFull(p, length); err != nil {
		p.t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(length))
	if _, err := io.ReadFull(p, frame); err != nil {
		p.t.Fatal(err)
	}
	return string(bytes.TrimRight(frame[14:], "\x00"))
}

func TestFramesGoWhereTheyAreFor(t *testing.T) {
	l, err := NewLAN(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	const all, a, b, c = 0xff, 2, 4, 6
	one, two, three := plugIn(t, l), plugIn(t, l), plugIn(t, l)
	for plugged := 0; plugged < 3; time.Sleep(time.Millisecond) {
		l.mu.Lock()
		plugged = len(l.wires)
		l.mu.Unlock()
	}
	one.sends(all, a, "who is there")
	for _, p := range []plug{two, three} {
		if got := p.gets(); got != "who is there" {
			t.Errorf("got %q", got)
		}
	}
	two.sends(c, b, "for c, wherever that is")
	for _, p := range []plug{one, three} {
		if got := p.gets(); got != "for c, wherever that is" {
			t.Errorf("got %q", got)
		}
	}
	three.sends(a, c, "for a alone")
	if got := one.gets(); got != "for a alone" {
		t.Errorf("got %q", got)
	}
	// Three takes nothing any more, and two hears one all the same, and nothing that was
	// not for it.
	for i := range 3 * queued {
		one.sends(c, a, fmt.Sprint("lost, some of it ", i, string(make([]byte, 1400))))
	}
	one.sends(b, a, "for b")
	if got := two.gets(); got != "for b" {
		t.Errorf("got %q", got)
	}
}
