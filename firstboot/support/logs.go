package support

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// LogsPath is where the peer service has the logs, with ?lines=N for how many of each.
const LogsPath = "/logs"

// How many lines of each log there are.
const (
	DefaultLines = 100
	MaxLines     = 5000
)

// answerLimit is how long one piece of an answer may take, and its way to who asks.
const answerLimit = 30 * time.Second

// logs are those that say most when a node does not become ready, or stops being so.
func (s *Support) logs(lines int) []text {
	list := []text{s.journal("berry-firstboot.service", lines)}
	if s.f.Gluster != nil {
		list = append(list, s.journal("glusterd.service", lines), s.log("/var/log/glusterfs/glusterd.log", lines))
	}
	if s.f.Web != nil || s.f.Balancer != nil {
		list = append(list, s.logsBelow("/var/log/apache2", 0, lines, isErrorLog)...)
	}
	return list
}

// Logs serves the ends of the node's logs as one text, a line with == before each.
func (s *Support) Logs() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lines, err := linesOf(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		secrets, way := secretsOf(s.h.Files, s.f), http.NewResponseController(w)
		for _, t := range s.logs(lines) {
			// An error is of a connection that knows no deadlines.
			way.SetWriteDeadline(time.Now().Add(answerLimit))
			if _, err := fmt.Fprintf(w, "== %s ==\n%s\n", t.from, secrets.Clean(t.read(r.Context()))); err != nil {
				return // the asker has gone away
			}
		}
	})
}

// read is the text, or why there is none.
func (t text) read(ctx context.Context) []byte {
	data, err := t.get(ctx)
	if err != nil {
		return fmt.Appendf(nil, "%v\n", err)
	}
	if len(data) > 0 && !bytes.HasSuffix(data, []byte("\n")) {
		data = append(data, '\n')
	}
	return data
}

// linesOf is how many lines are asked for.
func linesOf(r *http.Request) (int, error) {
	word := r.URL.Query().Get("lines")
	if word == "" {
		return DefaultLines, nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 || n > MaxLines {
		return 0, fmt.Errorf("lines is %.20q, want a number from 1 to %d", word, MaxLines)
	}
	return n, nil
}
