package page

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// handler answers GET and HEAD.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /events", s.events)
	return s.guard(mux)
}

// guard answers who asks for this machine, and tells his browser what it may do with the
// answer: nothing but show it.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for key, value := range map[string]string{
			"Content-Security-Policy":      contentSecurity,
			"X-Content-Type-Options":       "nosniff",
			"Referrer-Policy":              "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin",
			"Cache-Control":                "no-store",
		} {
			w.Header().Set(key, value)
		}
		switch {
		case r.ContentLength != 0:
			// It would be waited for, for ever. An error is of a connection that knows no
			// deadlines.
			http.NewResponseController(w).SetReadDeadline(time.Now())
			http.Error(w, "there is nothing to be sent here", http.StatusBadRequest)
		case !s.called(r.Host):
			http.Error(w, fmt.Sprintf("this is %s; ask for it by this name, or by its address", s.f.Name), http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// called tells whether a browser that asks for a host can mean this page. A site on the
// internet can have its own name lead to an address of this LAN, and then read what is
// answered there (DNS rebinding); no other site has these names.
func (s *Server) called(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	names := []string{"localhost"}
	for _, n := range s.f.Nodes {
		names = append(names, n.Name, n.Name+".local")
	}
	return slices.Contains(names, strings.ToLower(strings.TrimSuffix(host, ".")))
}
