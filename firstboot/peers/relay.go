package peers

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Bounds of what is passed on.
const (
	maxRelays  = 8
	relayLimit = 10 * time.Minute
)

// relay passes the operator's connection on to another node, such as one in another
// house, which he cannot reach himself: CONNECT NAME:Port, as to a proxy. What goes
// through is TLS between him and that node, both of which prove who they are to each
// other and not to this one. So no node has to be trusted with what another tells the
// operator alone, and none can have it by itself: nodes get no relay.
func (s *Service) relay(w http.ResponseWriter, r *http.Request) {
	if whoIs(r) != Operator {
		http.Error(w, "this is not for you", http.StatusForbidden)
		return
	}
	at, ok := s.at(r.URL.Hostname())
	if !ok {
		http.Error(w, r.URL.Hostname()+" is silent", http.StatusBadGateway)
		return
	}
	select {
	case s.relays <- struct{}{}:
		defer func() { <-s.relays }()
	default:
		http.Error(w, "too many connections are passed on already", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), relayLimit)
	defer cancel()
	there, err := s.connect(ctx, at)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // the connection is gone
	}
	defer here.Close()
	if _, err := io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n"); err != nil {
		return
	}
	join(ctx, here, buffered, there)
}

// join passes on what two ends say, until one of them has said all, or the context ends.
func join(ctx context.Context, here net.Conn, from io.Reader, there net.Conn) {
	stop := context.AfterFunc(ctx, func() { errors.Join(here.Close(), there.Close()) })
	defer stop()
	done := make(chan struct{}, 2)
	pass := func(to io.Writer, from io.Reader) {
		io.Copy(to, from) // an error is its end
		done <- struct{}{}
	}
	go pass(there, from)
	go pass(here, there)
	<-done
	errors.Join(here.Close(), there.Close())
	<-done
}
