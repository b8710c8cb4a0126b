package brick

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"berries/firstboot/host"
)

// lineLimit is how long the sum of one file, and its way to the other node, may take.
const lineLimit = 30 * time.Minute

// last is the last line of a list: without it, the list broke off.
const last = "end"

// Handler answers with the list of the brick in the directory dir: one JSON object a
// line, made while it is read.
func Handler(files *host.Files, dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines, way := json.NewEncoder(w), http.NewResponseController(w)
		tell := func(f File) error {
			return errors.Join(way.SetWriteDeadline(time.Now().Add(lineLimit)), lines.Encode(f))
		}
		if err := way.SetWriteDeadline(time.Now().Add(lineLimit)); err != nil {
			return
		}
		if err := Walk(files, dir, tell); err == nil {
			tell(File{Kind: last}) // an error is the reader's going away
		}
	})
}

// Read reads the list that another node's Handler makes.
func Read(r io.Reader) ([]File, error) {
	var list []File
	for lines := json.NewDecoder(r); ; {
		var f File
		if err := lines.Decode(&f); err != nil {
			return nil, fmt.Errorf("the list of files breaks off: %w", err)
		}
		if f.Kind == last {
			return list, nil
		}
		list = append(list, f)
	}
}
