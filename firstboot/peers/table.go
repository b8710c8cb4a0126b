package peers

import (
	"cmp"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// When an address is asked again, and how much is remembered. Hints come from
// anybody, so there is an end to them.
const (
	askEvery  = 3 * time.Second  // the address in use of a peer
	askSoon   = time.Second      // that, while one of them gets on with its work
	askSpread = time.Second / 4  // at least between two of those; see pace
	askSeldom = 15 * time.Second // its other ones
	askRarely = 30 * time.Second // one that has not answered for long
	// againEvery is how soon a failed one is asked again, whatever is said of it.
	againEvery = time.Second
	maxNodes   = 64
	maxRoutes  = 16 // of one node
)

// table is what is known of the other nodes.
type table struct {
	mu    sync.Mutex
	self  string
	nodes map[string]*entry
}

// question is one address to be asked.
type question struct {
	name string
	at   netip.AddrPort
}

// newTable has a place for every node that the builder knew of, whoever else
// claims to be there.
func newTable(self Self) *table {
	t := &table{self: self.Name, nodes: map[string]*entry{}}
	for _, k := range self.Known {
		t.nodes[k.Name] = newEntry(k.Name)
		t.nodes[k.Name].known = true
	}
	return t
}

func newEntry(name string) *entry {
	return &entry{Peer: Peer{Name: name}, routes: map[netip.AddrPort]*route{}}
}

// hint takes note that a node may be at an address. It tells whether there is
// something to ask now.
func (t *table) hint(name string, at netip.AddrPort, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if name == t.self || !possible(at.Addr()) || at.Port() == 0 {
		return false
	}
	e := t.nodes[name]
	if e == nil {
		if len(t.nodes) >= maxNodes {
			return false
		}
		e = newEntry(name)
		t.nodes[name] = e
	}
	r := e.routes[at]
	if r == nil {
		if !e.makeRoom() {
			return false
		}
		r = &route{}
		e.routes[at] = r
	}
	r.hinted = now
	if r.proven && r.fails == 0 {
		return false
	}
	if r.next = r.asked.Add(againEvery); r.next.Before(now) {
		r.next = now
	}
	return true
}

// possible tells whether another node may be at an address.
func possible(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsLoopback() && !a.IsMulticast() &&
		(!a.Is6() || !a.IsLinkLocalUnicast() || a.Zone() != "")
}

// due are the questions to be asked now, so many at most: first where the answer is
// most likely, for strangers can make up hundreds. Each must be brought to an end by
// answered or failed.
func (t *table) due(now time.Time, most int) []question {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []question
	for name, e := range t.nodes {
		for at, r := range e.routes {
			if !r.busy && !r.next.After(now) {
				list = append(list, question{name, at})
			}
		}
	}
	slices.SortFunc(list, func(a, b question) int {
		m, n := t.nodes[a.name], t.nodes[b.name]
		q, r := m.routes[a.at], n.routes[b.at]
		return cmp.Or(first(q.proven, r.proven), first(m.known, n.known), cmp.Compare(q.fails, r.fails))
	})
	list = list[:min(len(list), most)]
	for _, q := range list {
		r := t.nodes[q.name].routes[q.at]
		r.busy, r.asked = true, now
	}
	return list
}

// first compares two of which one may come before the other.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// answered takes note that a node has proved its name at an address. It tells
// whether the Peer has changed.
func (t *table) answered(q question, a answer, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.nodes[q.name]
	before := e.Peer
	r := e.routes[q.at]
	r.busy, r.proven, r.fails = false, true, 0
	if !reflect.DeepEqual(e.State, a.State) {
		e.moved = now
	}
	e.Role, e.State, e.Seen = a.Role, a.State, now
	r.next = now.Add(askSeldom)
	e.named(a.Addresses)
	e.settle(t.pace(now))
	return !e.same(before)
}

// proven tells whether the node has proved its name at that address.
func (t *table) proven(q question) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.nodes[q.name].routes[q.at].proven
}

// failed takes note that a node did not prove its name at an address. It tells
// whether the Peer has changed.
func (t *table) failed(q question, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.nodes[q.name]
	before := e.Peer
	r := e.routes[q.at]
	r.busy = false
	r.fails++
	if r.proven && r.fails == 1 {
		for _, other := range e.routes { // has it gone altogether?
			if other.proven && other != r {
				other.next = now
			}
		}
	}
	r.proven = r.proven && r.fails < 2
	r.next = now.Add(min(askRarely, againEvery<<min(r.fails-1, 10)))
	e.settle(t.pace(now))
	return !e.same(before)
}

// pace is how often the address in use of each peer is asked. Everybody asks everybody,
// and every question is a proof, which takes a board milliseconds: from a dozen peers
// on each is asked less often. A silent one among 28 is found out within ten seconds.
// While a cluster forms its nodes wait for what the others say, and so they ask more
// often for a while after one of them has said something new.
func (t *table) pace(now time.Time) time.Duration {
	const awhile = 30 * time.Second
	every, proven := askEvery, 0
	for _, e := range t.nodes {
		if len(e.Addresses) > 0 {
			proven++
		}
		if now.Sub(e.moved) < awhile {
			every = askSoon
		}
	}
	return max(every, time.Duration(proven)*askSpread)
}

// hurry has everything asked at once.
func (t *table) hurry(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.nodes {
		for _, r := range e.routes {
			r.next = now
		}
	}
}

// answers tells whether a node can be reached.
func (t *table) answers(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.nodes[name]
	return e != nil && len(e.Addresses) > 0
}

// at is where a node answers.
func (t *table) at(name string) (netip.AddrPort, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.nodes[name]
	if e == nil {
		return netip.AddrPort{}, false
	}
	for at, r := range e.routes {
		if r.proven && r.fails == 0 && at.Addr() == e.best {
			return at, true
		}
	}
	return netip.AddrPort{}, false
}

// peers are the nodes that have proved their names, by name.
func (t *table) peers() []Peer {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []Peer
	for e := range maps.Values(t.nodes) {
		if !e.Seen.IsZero() {
			p := e.Peer
			p.Addresses = slices.Clone(p.Addresses)
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b Peer) int { return strings.Compare(a.Name, b.Name) })
	return list
}
