package peers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// Bounds of one question. A proven peer is trusted, but what answers at a hint
// may be anybody.
const (
	askTimeout = 3 * time.Second
	// askPatience is for a node that has proved itself at that address, once it has
	// taken the connection, which its kernel does however busy it is: a small board
	// that installs packages or starts GlusterFS may take seconds for its proof. One
	// that has lost its power takes no connection.
	askPatience = 10 * time.Second
	askAtOnce   = 32
	maxAnswer   = 64 << 10 // bytes
)

// answer is what a node says to whoever may ask, at https://NODE:Port/state.
type answer struct {
	Protocol  int          `json:"protocol"`
	Name      string       `json:"name"`
	Role      string       `json:"role"`
	Addresses []netip.Addr `json:"addresses"` // its own, without zones
	State     State        `json:"state"`
}

// ask asks at every address whose time has come. What is asked next is chosen anew
// whenever an answer is there: whoever answers nothing keeps nobody waiting for longer
// than one question takes.
func (s *Service) ask(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, askAtOnce)
	for {
		for _, q := range s.table.due(s.clock.Now(), cap(slots)-len(slots)) {
			slots <- struct{}{}
			wg.Go(func() {
				s.askOne(ctx, q)
				<-slots
				s.asking.up()
			})
		}
		if !pause(ctx, time.Second, s.asking) {
			return
		}
	}
}

// askOne asks at one address, and takes note of what comes of it.
func (s *Service) askOne(ctx context.Context, q question) {
	limit := askTimeout
	if s.table.proven(q) {
		limit = askPatience
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	before := s.table.answers(q.name)
	a, err := s.askAt(bounded, q)
	now := s.clock.Now()
	if err != nil {
		changed := s.table.failed(q, now)
		if ctx.Err() != nil {
			return // it was not the other's fault
		}
		if changed {
			s.changed()
		}
		if before && !s.table.answers(q.name) {
			s.log(fmt.Sprintf("%s is silent: %v", q.name, err))
			s.browsing.up()
		}
		return
	}
	if s.table.answered(q, a, now) {
		s.changed()
	}
	if !before {
		s.log(fmt.Sprintf("%s is at %s", q.name, q.at.Addr()))
	}
	for _, addr := range a.Addresses[:min(len(a.Addresses), maxRoutes)] {
		s.hint(q.name, netip.AddrPortFrom(addr, q.at.Port()), now)
	}
}

// askAt asks the node of that name at an address. There is no answer from anybody
// who is not that node.
func (s *Service) askAt(ctx context.Context, q question) (answer, error) {
	body, err := s.get(ctx, q, "/state")
	if err != nil {
		return answer{}, err
	}
	defer body.Close()
	var a answer
	if err := json.NewDecoder(io.LimitReader(body, maxAnswer)).Decode(&a); err != nil {
		return answer{}, fmt.Errorf("cannot read the answer: %w", err)
	}
	if a.Protocol != Protocol {
		return answer{}, fmt.Errorf("it speaks version %d of the peers' protocol, and this node %d; build both images with the same berry", a.Protocol, Protocol)
	}
	return a, nil
}

// Fetch gets one of the things that another node serves (Handle). It takes as long as
// the context lets it, and ends when the reader is closed.
func (s *Service) Fetch(ctx context.Context, name, path string) (io.ReadCloser, error) {
	at, ok := s.at(name)
	if !ok {
		return nil, fmt.Errorf("cannot ask %s for %s: it is silent", name, path)
	}
	body, err := s.get(ctx, question{name, at}, path)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s for %s: %w", name, path, err)
	}
	return body, nil
}

// at is where a node is asked: where it answers, or in another house, where nobody has
// looked for it, at its end of the tunnel.
func (s *Service) at(name string) (netip.AddrPort, bool) {
	if at, ok := s.table.at(name); ok {
		return at, true
	}
	for _, e := range s.self.Tunnel {
		if e.Name == name {
			return netip.AddrPortFrom(e.Addr, Port), true
		}
	}
	return netip.AddrPort{}, false
}

// get gets what the node of that name has to say at an address and a path.
func (s *Service) get(ctx context.Context, q question, path string) (io.ReadCloser, error) {
	transport := &http.Transport{
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: 8 << 10,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := s.connect(ctx, q.at)
			if err != nil {
				return nil, err
			}
			secure := tls.Client(conn, s.toAsk(q.name))
			if err := secure.HandshakeContext(ctx); err != nil {
				conn.Close()
				return nil, err
			}
			return secure, nil
		},
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+q.name+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, errors.New(response.Status)
	}
	return response.Body, nil
}

// connect opens a connection to an address where somebody has to be.
func (s *Service) connect(ctx context.Context, at netip.AddrPort) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	return s.net.dial(ctx, at)
}

// hint takes a hint, and has it looked into. A link-local IPv6 address without a
// zone may be on any interface.
func (s *Service) hint(name string, at netip.AddrPort, now time.Time) {
	a := at.Addr().Unmap()
	zones := []string{a.Zone()}
	if a.Is6() && a.IsLinkLocalUnicast() && a.Zone() == "" {
		zones = nil
		for _, l := range s.current() {
			zones = append(zones, l.Name)
		}
	}
	for _, zone := range zones {
		if a.Is6() {
			a = a.WithZone(zone)
		}
		if s.table.hint(name, netip.AddrPortFrom(a, at.Port()), now) {
			s.asking.up()
		}
	}
}
