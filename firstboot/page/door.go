package page

import (
	"net"
	"net/netip"
	"sync"
)

// How many connections may be open at once. A browser has six.
const (
	maxGuests = 64
	maxOfOne  = 8
)

// door is a listener that lets in neighbours alone, and not too many of them: whoever is
// one too many is shut out at once, and costs nothing.
type door struct {
	net.Listener
	mu     sync.Mutex
	inside map[netip.Addr]int
	total  int
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		from := addressOf(conn.RemoteAddr().String())
		if near(from) && d.enter(from) {
			return &guest{Conn: conn, leave: sync.OnceFunc(func() { d.left(from) })}, nil
		}
		conn.Close()
	}
}

func (d *door) enter(from netip.Addr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.total >= maxGuests || d.inside[from] >= maxOfOne {
		return false
	}
	if d.inside == nil {
		d.inside = map[netip.Addr]int{}
	}
	d.inside[from]++
	d.total++
	return true
}

func (d *door) left(from netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.total--
	if d.inside[from]--; d.inside[from] == 0 {
		delete(d.inside, from)
	}
}

// guest is a connection that was let in.
type guest struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.leave()
	return g.Conn.Close()
}

// near tells whether an address is of a network that the internet does not lead to. A
// router that forwards the port to a node makes no public page of this one.
func near(from netip.Addr) bool {
	return from.IsLoopback() || from.IsPrivate() || from.IsLinkLocalUnicast()
}

// addressOf is the address of who is at host:port; not valid where that is none.
func addressOf(remote string) netip.Addr {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap().WithZone("")
}
