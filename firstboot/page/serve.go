package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"io"
	"net/http"
	"strconv"
	"time"
)

var (
	//go:embed page.html
	markup string
	//go:embed page.css
	style string
	//go:embed page.js
	script string
)

// contentSecurity lets the page have its own style and script, and speak to its node.
var contentSecurity = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; img-src data:; connect-src 'self'; " +
	"style-src " + hashed(style) + "; script-src " + hashed(script)

// hashed names a text as its only source.
func hashed(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// table is the page. Whatever a node says is escaped in it.
var table = template.Must(template.New("page").Funcs(template.FuncMap{
	"style":   func() template.CSS { return template.CSS(style) },
	"script":  func() template.JS { return template.JS(script) },
	"columns": func() []string { return columns },
}).Parse(markup))

// page answers with the whole page, which makes do without a script.
func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	var out bytes.Buffer
	if err := table.Execute(&out, s.look(r.Context())); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(out.Len()))
	w.Write(out.Bytes()) // an error is the visitor's going away
}

// same is what is sent where nothing has changed, so that the page knows that this node
// is still there.
const same = "event: same\ndata: yes\n\n"

// events answers with a view of the cluster, and with another one whenever it has
// changed, until the watcher goes away.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	me := s.watchers.join(addressOf(r.RemoteAddr))
	if me == nil {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "too many are watching already", http.StatusServiceUnavailable)
		return
	}
	defer s.watchers.leave(me)
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead || send(w, "retry: 3000\n\n") != nil {
		return
	}
	var sent []byte
	for {
		select {
		case <-r.Context().Done():
			return
		case news := <-me.news:
			text, err := json.Marshal(news)
			event := same
			if !bytes.Equal(text, sent) {
				event = "data: " + string(text) + "\n\n"
			}
			if err != nil || send(w, event) != nil {
				return
			}
			sent = text
		}
	}
}

// send sends now. Who does not take it in time has gone.
func send(w http.ResponseWriter, text string) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return control.Flush()
}
