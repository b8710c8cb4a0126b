package peers

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
)

// serve answers who may ask, until the context ends.
func (s *Service) serve(ctx context.Context, listener net.Listener) error {
	door := &door{Listener: listener}
	server := &http.Server{
		Handler:           s.handler(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		TLSConfig:         s.toServe(),
		ReadHeaderTimeout: askPatience, // and for the handshake
		ReadTimeout:       askPatience,
		WriteTimeout:      askPatience,
		MaxHeaderBytes:    4 << 10,
		ConnState:         door.state,
		ErrorLog:          log.New(io.Discard, "", 0), // any stranger could fill the journal
	}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(tls.NewListener(door, server.TLSConfig))
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// Who may have something. Everybody who gets as far has proved to be a node of the
// cluster, or the operator.
type Who int

// Those who can be served, to be added up.
const (
	Nodes Who = 1 << iota
	Operator
)

// served is something that this node serves beyond its state.
type served struct {
	path    string
	who     Who
	handler http.Handler
}

// Handle has the service answer GET at a path, such as /brick, to those who may have it.
// It is for the time before Run. An answer that takes longer than some seconds has to put
// its deadline off (http.ResponseController).
func (s *Service) Handle(path string, who Who, h http.Handler) {
	s.served = append(s.served, served{path, who, h})
}

// Addresses are this node's own, as it tells them to others.
func (s *Service) Addresses() []netip.Addr {
	list := []netip.Addr{}
	for _, l := range s.current() {
		list = append(list, l.Addresses...)
	}
	return list
}

// handler answers GET /state, and what else this node serves.
func (s *Service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, r *http.Request) {
		s.greet(nodeOf(r.TLS.PeerCertificates[0]), r.RemoteAddr)
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.answer()) // an error is the asker's going away
	})
	for _, x := range s.served {
		mux.HandleFunc("GET "+x.path, func(w http.ResponseWriter, r *http.Request) {
			if whoIs(r)&x.who == 0 {
				http.Error(w, "this is not for you", http.StatusForbidden)
				return
			}
			x.handler.ServeHTTP(w, r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodConnect {
			s.relay(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// whoIs tells who has asked.
func whoIs(r *http.Request) Who {
	if nodeOf(r.TLS.PeerCertificates[0]) == "" {
		return Operator
	}
	return Nodes
}

// greet takes where a node's question comes from as a hint: it may not have been
// heard in any other way.
func (s *Service) greet(name, from string) {
	at, err := netip.ParseAddrPort(from)
	if name != "" && err == nil {
		s.hint(name, netip.AddrPortFrom(at.Addr(), Port), s.clock.Now())
	}
}

func (s *Service) answer() answer {
	a := answer{Protocol: Protocol, Name: s.self.Name, Role: s.self.Role, Addresses: s.Addresses()}
	if s.self.State != nil {
		a.State = s.self.State()
	}
	return a
}

// maxStrangers is how many connections may be open that nobody has proved
// himself on.
const maxStrangers = 32

// door is a listener that no stranger can block: when too many connections wait
// without a proof, the one that has waited longest is closed.
type door struct {
	net.Listener
	mu      sync.Mutex
	waiting []*guest
}

// guest is a connection, and the door it came through.
type guest struct {
	net.Conn
	door *door
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	conn, err := d.Listener.Accept()
	if err != nil {
		return nil, err
	}
	g := &guest{conn, d}
	d.mu.Lock()
	d.waiting = append(d.waiting, g)
	var longest *guest
	if len(d.waiting) > maxStrangers {
		longest = d.waiting[0]
	}
	d.mu.Unlock()
	if longest != nil {
		longest.Close()
	}
	return g, nil
}

// Close implements net.Conn.
func (g *guest) Close() error {
	g.door.forget(g)
	return g.Conn.Close()
}

func (d *door) forget(g *guest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting = slices.DeleteFunc(d.waiting, func(other *guest) bool { return other == g })
}

// state is told by http.Server how far a connection is. It is active with the
// first request, which comes after the proof.
func (d *door) state(c net.Conn, is http.ConnState) {
	if is == http.StateActive {
		d.forget(c.(*tls.Conn).NetConn().(*guest))
	}
}
