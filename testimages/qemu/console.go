package qemu

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
)

// console keeps all that a machine prints. It is written by one and read by
// many.
type console struct {
	mu     sync.Mutex
	text   bytes.Buffer
	copy   io.Writer
	closed bool
	more   chan struct{} // closed and replaced whenever something happens
}

func newConsole(copy io.Writer) *console {
	return &console{copy: copy, more: make(chan struct{})}
}

// Write takes what the machine printed. Carriage returns are left out.
func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(bytes.ReplaceAll(p, []byte("\r"), nil))
	c.tell()
	if c.copy != nil {
		if _, err := c.copy.Write(p); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (c *console) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.tell()
}

func (c *console) tell() {
	close(c.more)
	c.more = make(chan struct{})
}

// look gives all there is, whether there will be more, and what tells so.
func (c *console) look() (text string, closed bool, more <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String(), c.closed, c.more
}

// Transcript is all that the machine has printed so far.
func (m *Machine) Transcript() string {
	text, _, _ := m.console.look()
	return text
}

// hopeless are what a machine prints when it will not come up.
var hopeless = []string{"Kernel panic", "ALERT!", "You are in emergency mode"}

// WaitFor waits until the machine has printed marker, at any time since it was
// started. The error, when it stops, gives up or ctx ends before, has the last
// lines it printed.
func (m *Machine) WaitFor(ctx context.Context, marker string) error {
	for {
		text, closed, more := m.console.look()
		if strings.Contains(text, marker) {
			return nil
		}
		for _, sign := range hopeless {
			if strings.Contains(text, sign) {
				return fmt.Errorf("the machine says %q instead of %q:\n%s", sign, marker, lastLines(text))
			}
		}
		if closed {
			return fmt.Errorf("the machine stopped before it said %q:\n%s", marker, lastLines(text))
		}
		select {
		case <-more:
		case <-ctx.Done():
			return fmt.Errorf("the machine has not said %q: %w:\n%s", marker, context.Cause(ctx), lastLines(text))
		}
	}
}

// lastLines are the end of a transcript that tells the reader where it stands.
func lastLines(text string) string {
	const keep = 30
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-keep):], "\n")
}
