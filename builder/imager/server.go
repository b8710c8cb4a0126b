package imager

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"berries/builder/progress"
)

// ListName is the name under which the list is served.
const ListName = "os_list.json"

// Server serves the images of a folder to those who know the token. The folder is looked
// at for each request: what is built meanwhile is served.
type Server struct {
	Dir   string
	Token string
	Log   func(line string) // gets a line for each request, without the token
}

// NewToken is what nobody can guess.
func NewToken() string { return strings.ToLower(rand.Text()) }

// Run serves until ctx ends, and then lets those who are being answered have five seconds.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return server.Close()
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began, counted := time.Now(), &counter{ResponseWriter: w, status: http.StatusOK}
	what := s.serve(counted, r)
	from, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		from = r.RemoteAddr
	}
	s.Log(fmt.Sprintf("%s %s: %s: %d, %s in %.1fs", began.Format(time.TimeOnly), from, what, counted.status, progress.Bytes(counted.bytes), time.Since(began).Seconds()))
}

// serve answers, and says what was asked for. What a stranger asks for is not repeated.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) (what string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	token, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	switch {
	case subtle.ConstantTimeCompare([]byte(token), []byte(s.Token)) != 1:
		http.NotFound(w, r)
		return "something without the token"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return "something that is no GET"
	case name == ListName:
		s.serveList(w, r)
		return name
	}
	if f, ok := s.file(name); ok && s.serveFile(w, r, f) {
		return name
	}
	http.NotFound(w, r)
	return "something that is not there"
}

// counter counts what is answered.
type counter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (c *counter) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p)
	c.bytes += int64(n)
	return n, err
}
