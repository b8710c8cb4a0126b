package peers

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"
	"time"
)

// entry is one node: the Peer that it is once it has proved its name, and the
// ways to it.
type entry struct {
	Peer
	known  bool       // the builder knew of it
	moved  time.Time  // when its State last changed
	best   netip.Addr // the address in use; kept as long as it answers
	routes map[netip.AddrPort]*route
}

// route is one address that somebody said is a node's.
type route struct {
	hinted time.Time // when somebody last said so
	asked  time.Time // when it was last asked
	next   time.Time // when it is asked next
	fails  int       // questions without an answer, one after the other
	proven bool      // it has answered, and not failed twice since
	busy   bool      // it is being asked
}

// makeRoom forgets the route that was hinted at longest ago where there are too
// many; proven ones stay. It is false when there is no room.
func (e *entry) makeRoom() bool {
	if len(e.routes) < maxRoutes {
		return true
	}
	var oldest netip.AddrPort
	for at, r := range e.routes {
		if !r.proven && !r.busy && (!oldest.IsValid() || r.hinted.Before(e.routes[oldest].hinted)) {
			oldest = at
		}
	}
	delete(e.routes, oldest)
	return oldest.IsValid()
}

// named holds the proven routes against the addresses that the node says are its
// own. Others count only where none of these answers, as through a tunnel: a node
// that has lost an address is not looked for there.
func (e *entry) named(own []netip.Addr) {
	var others []*route
	said := false
	for at, r := range e.routes {
		if !slices.Contains(own, at.Addr().WithZone("")) {
			others = append(others, r)
		} else if r.proven && r.fails == 0 {
			said = true
		}
	}
	for _, r := range others {
		r.proven = r.proven && !said
	}
}

// settle puts the addresses of a peer in their order, and sees to it that the
// one in use is asked as often as that.
func (e *entry) settle(every time.Duration) {
	var list []netip.AddrPort
	for at, r := range e.routes {
		if r.proven {
			list = append(list, at)
		}
	}
	slices.SortFunc(list, func(a, b netip.AddrPort) int {
		return cmp.Or(
			cmp.Compare(e.routes[a].fails, e.routes[b].fails),
			cmp.Compare(class(a.Addr()), class(b.Addr())),
			preferred(a.Addr(), b.Addr(), e.best),
			a.Compare(b))
	})
	e.Addresses = nil
	for _, at := range list {
		if !slices.Contains(e.Addresses, at.Addr()) {
			e.Addresses = append(e.Addresses, at.Addr())
		}
	}
	if len(list) == 0 {
		return
	}
	e.best = list[0].Addr()
	r := e.routes[list[0]]
	if soon := r.asked.Add(every); r.next.After(soon) {
		r.next = soon
	}
}

// class puts IPv4 first, and link-local IPv6 addresses, which mean nothing in a
// hosts file, last.
func class(a netip.Addr) int {
	switch {
	case a.Is4():
		return 0
	case !a.IsLinkLocalUnicast():
		return 1
	}
	return 2
}

// preferred compares two addresses of which one may be the preferred one.
func preferred(a, b, best netip.Addr) int {
	switch {
	case a == b:
		return 0
	case a == best:
		return -1
	case b == best:
		return 1
	}
	return 0
}

// same compares all of a Peer but the time of its last answer.
func (e *entry) same(before Peer) bool {
	before.Seen = e.Seen
	return reflect.DeepEqual(e.Peer, before)
}
