package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/status"
)

// The states of a node.
const (
	Off     = "off"
	Booting = "booting" // berry-firstboot has not begun yet
	Working = "working" // at a step, or between two tries of one
	Ready   = "ready"
)

// State is where a node stands, seen from outside.
type State struct {
	Name  string `json:"name"`
	Role  string `json:"role"`
	State string `json:"state"`
	// Step is the step that a working node is at, in the words of its console.
	Step      string     `json:"step,omitempty"`
	Leader    int        `json:"leader_pid,omitempty"` // its systemd, by this machine's count
	Namespace string     `json:"network_namespace,omitempty"`
	Address   netip.Addr `json:"address,omitzero"`
	Unplugged bool       `json:"unplugged,omitempty"`
}

// Status is the status file of a node, whether it is on or off; the zero Status
// where it has none yet. After a start it is the last boot's until berry-firstboot
// begins: State knows.
func (l *Lab) Status(name string) (status.Status, error) {
	files, err := host.OpenFiles(l.path(nodesDir, name, upperDir))
	if errors.Is(err, fs.ErrNotExist) {
		return status.Status{}, nil
	}
	if err != nil {
		return status.Status{}, err
	}
	defer files.Close()
	return status.Read(files)
}

// State is where a node stands.
func (l *Lab) State(ctx context.Context, name string) (State, error) {
	n, err := l.load(name)
	if err != nil {
		return State{}, err
	}
	s := State{Name: n.Name, Role: n.Role, State: Off, Unplugged: n.Unplugged}
	leader, running, err := l.Leader(name)
	if err != nil || !running {
		return s, err
	}
	s.Leader, s.Namespace = leader, l.Namespace(name)
	if s.Address, err = l.addressNow(ctx, name); err != nil {
		if _, running, _ := l.Leader(name); !running { // it was cut meanwhile
			return State{Name: n.Name, Role: n.Role, State: Off, Unplugged: n.Unplugged}, nil
		}
		return State{}, err
	}
	said, err := l.Status(name)
	if err != nil {
		return State{}, err
	}
	switch {
	case said.Starts <= n.Starts:
		s.State = Booting
	case said.Ready:
		s.State = Ready
	default:
		s.State, s.Step = Working, step(said)
	}
	return s, nil
}

// step is the step that a node is at: the last one that has begun.
func step(s status.Status) string {
	text := ""
	for i, step := range s.Steps {
		if i == 0 || step.State != status.Waiting {
			text = status.Line{Number: i + 1, Total: len(s.Steps), Step: step}.Text()
		}
	}
	return text
}

// States are those of all nodes.
func (l *Lab) States(ctx context.Context) ([]State, error) {
	names, err := l.Nodes()
	if err != nil {
		return nil, err
	}
	var list []State
	for _, name := range names {
		s, err := l.State(ctx, name)
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// pause is how often somebody who waits for a node looks at it.
const pause = 200 * time.Millisecond

// WaitReady waits until nodes are ready, all of them where none is named. It gives up
// when one goes off.
func (l *Lab) WaitReady(ctx context.Context, names ...string) error {
	if len(names) == 0 {
		var err error
		if names, err = l.Nodes(); err != nil {
			return err
		}
	}
	for _, name := range names {
		for {
			s, err := l.State(ctx, name)
			if err != nil {
				return err
			}
			if s.State == Off {
				return fmt.Errorf("%s is off:\n%s", name, l.lastLines(name))
			}
			if s.State == Ready {
				break
			}
			if err := (host.Wall{}).Sleep(ctx, pause); err != nil {
				return fmt.Errorf("%s is not ready (%s %s): %w:\n%s", name, s.State, s.Step, err, l.lastLines(name))
			}
		}
	}
	return nil
}

// Leader is the process ID of a node's systemd, and whether it is running.
func (l *Lab) Leader(name string) (pid int, running bool, err error) {
	pids, err := l.nodeGroup(name).processes()
	if err != nil {
		return 0, false, err
	}
	for _, pid := range pids {
		if isLeader(pid) {
			return pid, true, nil
		}
	}
	return 0, false, nil
}

// isLeader tells whether a process is a systemd, and the first of a node's processes.
// One that has ended is not.
func isLeader(pid int) bool {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	return err == nil && leads(string(text))
}

// leads reads /proc/PID/status (proc(5)). A node's processes have one number more than
// ours, that in the node; its services may be in further PID namespaces.
func leads(status string) bool {
	name, first := false, false
	for line := range strings.Lines(status) {
		switch words := strings.Fields(line); {
		case len(words) == 2 && words[0] == "Name:":
			name = words[1] == "systemd"
		case len(words) == 3 && words[0] == "NSpid:":
			first = words[2] == "1"
		}
	}
	return name && first
}
