package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"berries/firstboot/host"
)

// CopyPath is where a storage node says how its volume's copy stands. It is in memory:
// it changes all the time, and is made anew soon after a boot.
const CopyPath = "/run/berry/copy.json"

// Copy is how the copy of the volume at the remote node stands. The step georep writes
// it, the status command shows it.
type Copy struct {
	Remote string `json:"remote"` // where the copy is
	// Watcher is the node that proves it: the first storage node that answers.
	Watcher string `json:"watcher"`
	// Proven is when that was written which has last been seen to arrive; zero where
	// nothing was.
	Proven time.Time `json:"proven,omitzero"`
	// State is what the watcher knows beyond that, such as "active on cluster01, nothing
	// to send"; "" on other nodes.
	State string `json:"state,omitempty"`
}

// ReadCopy returns what CopyPath says, or nil where it does not.
func ReadCopy(files *host.Files) (*Copy, error) {
	data, err := files.Read(CopyPath)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var c Copy
	if err := json.Unmarshal(data, &c); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", CopyPath, err)
	}
	return &c, nil
}

// WriteCopy replaces it.
func WriteCopy(files *host.Files, c Copy) error { return write(files, CopyPath, c) }

// Text is the copy in words.
func (c Copy) Text() string {
	text := "nothing is known to have arrived yet"
	if !c.Proven.IsZero() {
		text = "it has all that was written until " + c.Proven.Local().Format(time.DateTime)
	}
	if c.State != "" {
		text += "; " + c.State
	}
	return fmt.Sprintf("copy at %s: %s (proved by %s)", c.Remote, text, c.Watcher)
}
