// Package page is the status page: what a node knows of the whole cluster, as a table in
// the browser of whoever is on its LAN.
//
// What goes in are the report.Cluster that a Reporter gives; what comes out are a page of
// HTML with all that it needs in it (GET /), and the same table again and again as
// server-sent events (GET /events), by which the page keeps itself up to date. The
// Reporter is asked for a page, and every few seconds while somebody watches: once for
// all who do.
//
// A LAN is not trusted. Nothing can be changed here, and nothing shown is secret. There
// is no end to strangers, but to how many of them are let in (door.go); who comes from
// the internet is not (near), nor a site in somebody's browser that pretends to be this
// one (guard.go). What other nodes say of themselves is text, and never markup.
//
// Not done here on purpose: TLS and passwords. Who wants to see the page from elsewhere
// has SSH. And IPv6, so that a browser that knows a node by both tries the other at once.
package page

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/report"
)

// Reporter gives what the page shows.
type Reporter interface {
	Cluster(ctx context.Context) report.Cluster
}

const (
	// pollEvery is how often the Reporter is asked while somebody watches.
	pollEvery = 3 * time.Second
	// listenAgain is how soon a port is tried again that is somebody else's.
	listenAgain = time.Minute

	headerTimeout = 5 * time.Second
	writeTimeout  = 10 * time.Second
	maxHeader     = 16 << 10 // bytes; the site's cookies come along, of whatever port
)

// Server shows the page of one node.
type Server struct {
	h        *host.Host
	f        node.File
	reporter Reporter
	watchers *watchers
}

// New makes the Server of the node of a node file, which has a status page.
func New(h *host.Host, f node.File, r Reporter) *Server {
	s := &Server{h: h, f: f, reporter: r}
	s.watchers = newWatchers(h.Clock, pollEvery, s.look)
	return s
}

// Run shows the page until the context ends. That a port is taken is told to complain,
// and it is tried again: a node without a page is a node all the same.
func (s *Server) Run(ctx context.Context, complain func(error)) {
	server := &http.Server{
		Handler:           s.handler(),
		ReadHeaderTimeout: headerTimeout,
		WriteTimeout:      writeTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          log.New(io.Discard, "", 0), // any stranger could fill the journal
	}
	server.SetKeepAlivesEnabled(false)
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	var all sync.WaitGroup
	for _, at := range addresses(s.f) {
		all.Go(func() { s.listen(ctx, server, at, complain) })
	}
	all.Wait()
}

// addresses are where a node shows its page. A balancer has its foot in the internet, so
// there it is on the machine itself and in the tunnel alone.
func addresses(f node.File) []netip.AddrPort {
	port := uint16(f.StatusPage.Port)
	if f.Role != node.Balancer {
		return []netip.AddrPort{netip.AddrPortFrom(netip.IPv4Unspecified(), port)}
	}
	list := []netip.AddrPort{netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)}
	if f.Tunnel != nil {
		if end, has := f.Tunnel.End(f.Name); has {
			list = append(list, netip.AddrPortFrom(netip.MustParseAddr(end.Address), port)) // the file is valid
		}
	}
	return list
}

// listen serves at one address.
func (s *Server) listen(ctx context.Context, server *http.Server, at netip.AddrPort, complain func(error)) {
	said := ""
	for ctx.Err() == nil {
		listener, err := s.h.Listen(ctx, at)
		if err == nil {
			err = server.Serve(&door{Listener: listener})
		}
		if ctx.Err() != nil {
			return
		}
		if err.Error() != said {
			said = err.Error()
			complain(fmt.Errorf("cannot show the status page: %w", err))
		}
		if s.h.Clock.Sleep(ctx, listenAgain) != nil {
			return
		}
	}
}

// look is what the cluster looks like now.
func (s *Server) look(ctx context.Context) view { return newView(s.reporter.Cluster(ctx)) }
