// Package status is where a node stands: a file on the card, and lines on the
// console in the same words.
//
// berry-firstboot run replaces the file whenever a step begins, says what it
// does, or ends, and prints one Line when it ends. `berry-firstboot status`
// reads the file, and so does whoever looks at a card from outside; tests and
// people watching a screen read the lines. A node without the file is in its
// first boot: that is no fault. One that cannot be read is replaced.
package status

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"berries/firstboot/host"
)

// Path is where the status file lies on a node.
const Path = "/var/lib/berry/status.json"

// State is how far a step is.
type State string

// The states of a step, in the words of the console.
const (
	Waiting     State = "waiting" // for the steps before it
	Running     State = "running"
	Done        State = "done"
	AlreadyDone State = "already done" // the first look found nothing to do
	Failed      State = "failed"
)

// Status is the content of the status file. run writes every field; the status
// command shows them all; the readers named beside a field are others.
type Status struct {
	Cluster string `json:"cluster"` // from the node file
	Node    string `json:"node"`    // from the node file
	Role    string `json:"role"`    // from the node file
	Program string `json:"program"` // version of the berry-firstboot that wrote this
	// Starts is how often run has begun on this card; run itself reads it, to
	// count on. Many of them mean a step that fails again and again.
	Starts int `json:"starts"`
	// Ready is that every step holds that others need (steps.Spared); the status
	// command's exit code.
	Ready bool `json:"ready"`
	// Updated is when this was written, by the node's own clock, which is wrong
	// until a network has been found.
	Updated time.Time `json:"updated"`
	Steps   []Step    `json:"steps"` // in their order
}

// Step is one step of a Status.
type Step struct {
	Name  string `json:"name"`
	State State  `json:"state"`
	// Doing is what a running step does or waits for; "" when it has not said.
	Doing string `json:"doing,omitempty"`
	// Seconds is how long an ended step took, to a tenth.
	Seconds float64 `json:"seconds,omitempty"`
	Error   string  `json:"error,omitempty"` // why it failed, on one line
	// Note is what an ended step that holds has to say all the same, on one line.
	Note string `json:"note,omitempty"`
}

// Summary is where a node that is ready stands, in one line: with what it lacks all the
// same.
func (s Status) Summary() string {
	words, before := Line{Ready: true}.Text(), ", but: "
	for _, step := range s.Steps {
		why := step.Note
		if step.State == Failed {
			why = step.Error
		}
		if why != "" {
			words += before + step.Name + ": " + why
			before = "; "
		}
	}
	return words
}

// Read returns what the status file says, or the zero Status where there is no
// file yet.
func Read(files *host.Files) (Status, error) {
	data, err := files.Read(Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Status{}, nil
	}
	if err != nil {
		return Status{}, err
	}
	var s Status
	if err := json.Unmarshal(data, &s); err != nil {
		return Status{}, fmt.Errorf("status file %s cannot be read: %w", Path, err)
	}
	return s, nil
}

// Write replaces the status file. It holds no secrets: everybody may read it.
func Write(files *host.Files, s Status) error { return write(files, Path, s) }

func write(files *host.Files, name string, content any) error {
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	if err := files.Mkdir(path.Dir(name), 0o755); err != nil {
		return err
	}
	return files.Replace(name, append(data, '\n'), 0o644)
}
