package cli

import (
	"context"
	"fmt"
	"sync"
	"time"

	"berries/firstboot/cards"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"
	"berries/firstboot/steps"
)

// record puts what the steps tell into the status file, onto the console, before
// systemd, and into what other nodes are told.
type record struct {
	env   Env
	cards *cards.Book // nil on a node that is in no pool

	mu     sync.Mutex // the peer service asks while steps tell
	status status.Status
	file   node.File
	step   status.Step // the last that told something
	line   string      // where the node stands, in the words of the console
	last   int         // the index of the last step that is not spared
	needed []bool      // whether the step of an index is not spared
	ready  bool        // it has been, in this run
	stuck  string      // the step that failed the last time, and has not held since

	led  status.LED
	boot *status.BootFile

	release release
}

// begin is the status before the first step. The file of an earlier run is only
// counted on; one that cannot be read is as good as none.
func (r *record) begin(f node.File, list []steps.Step) {
	before, err := status.Read(r.env.Host.Files)
	if err != nil {
		r.env.complain(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file = f
	r.status = status.Status{Cluster: f.Cluster, Node: f.Name, Role: f.Role, Program: r.env.Version, Starts: before.Starts + 1}
	for i, step := range list {
		r.status.Steps = append(r.status.Steps, status.Step{Name: step.Name(), State: status.Waiting})
		needed := !steps.IsSpared(step)
		if r.needed = append(r.needed, needed); needed {
			r.last = i
		}
		if was := stepOf(before, step.Name()); needed && was.State == status.Failed {
			r.stuck = was.Name
		}
	}
	if r.led = status.FindLED(r.env.Host.Files); r.stuck == "" || r.led.Shows() != status.NeedsPerson {
		r.led.Show(status.Working)
	}
	r.boot.Tell(status.BootText{Who: whoIs(f), Words: "starting"})
}

// stepOf is the step of that name; the zero Step where there is none.
func stepOf(s status.Status, name string) status.Step {
	for _, step := range s.Steps {
		if step.Name == name {
			return step
		}
	}
	return status.Step{}
}

// whoIs is a node for people.
func whoIs(f node.File) string {
	return fmt.Sprintf("%s, %s node of %s", f.Name, f.Role, f.Cluster)
}

// tell takes news of step i. The steps that are not spared are walked one after the
// other to the last one, at first and whenever one does not hold any more: when that
// has ended well, the node is ready, and until one begins again.
func (r *record) tell(i int, s status.Step) {
	line := status.Line{Number: i + 1, Total: len(r.status.Steps), Step: s}
	holds, becomes := s.State == status.Done || s.State == status.AlreadyDone, false
	words := r.change(line, func() {
		r.status.Steps[i], r.step = s, s
		r.status.Ready = r.status.Ready && (holds || !r.needed[i])
		becomes = holds && i == r.last && !r.status.Ready
	})
	r.env.Notify("STATUS=" + words)
	if becomes {
		words = r.change(status.Line{Ready: true}, func() { r.status.Ready, r.ready = true, true })
		r.env.Notify("STATUS=" + words + "\nREADY=1")
	}
}

// change changes the status, writes it, and prints what a line of the console is
// due to. It gives the words for where the node stands now.
func (r *record) change(line status.Line, how func()) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	how()
	ended := line.Ready || line.Step.State != status.Running
	if r.line = line.Text(); r.status.Ready && ended {
		r.line = r.status.Summary()
	}
	r.status.Updated = r.env.Host.Clock.Now().UTC()
	if err := status.Write(r.env.Host.Files, r.status); err != nil {
		r.env.complain(err)
	}
	if ended {
		fmt.Fprintln(r.env.Stdout, line)
	}
	r.show(line)
	return r.line
}

// show tells who has no network, by the LED and on the boot partition. A step that fails
// twice in a row needs a person: what passes by itself is waited for within a step.
func (r *record) show(line status.Line) {
	step := line.Step
	failed := !line.Ready && r.needed[line.Number-1] && step.State == status.Failed
	holds := step.State == status.Done || step.State == status.AlreadyDone
	switch {
	case r.status.Ready:
		r.stuck = ""
		r.led.Show(status.Steady)
	case failed && step.Name == r.stuck:
		r.led.Show(status.NeedsPerson)
	case failed:
		r.stuck = step.Name
	case holds && step.Name == r.stuck:
		r.stuck = ""
		r.led.Show(status.Working)
	case r.stuck == "":
		r.led.Show(status.Working)
	}
	r.boot.Tell(status.BootText{Who: whoIs(r.file), Words: r.line, Ready: r.status.Ready, Urgent: line.Ready || failed})
}

// state is what other nodes are told when they ask.
func (r *record) state() peers.State {
	r.mu.Lock()
	step := r.step
	s := peers.State{Step: r.line, Ready: r.status.Ready, Versions: map[string]string{"berry-firstboot": r.env.Version}}
	r.mu.Unlock()
	if r.cards != nil {
		s.Card, s.Cards = r.cards.Own(), r.cards.Present()
		s.Brick = steps.BrickState(r.env.Host.Files)
		s.Awaits = steps.Awaits(r.file, step)
	}
	if v := r.release.ask(r.env.Host); v != "" {
		s.Versions[steps.GlusterFS] = v
	}
	return s
}

// release is the release of GlusterFS that is installed, asked for once for every
// program file.
type release struct {
	mu      sync.Mutex
	of      time.Time // when the program was made
	version string
}

const (
	glusterProgram = "/usr/sbin/gluster"
	glusterLimit   = 10 * time.Second
)

// ask is "" where there is none, or none that can be asked yet.
func (r *release) ask(h *host.Host) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	info, err := h.Files.Stat(glusterProgram)
	if err != nil {
		return ""
	}
	if made := info.ModTime(); !made.Equal(r.of) {
		ctx, cancel := context.WithTimeout(context.Background(), glusterLimit)
		defer cancel()
		v, err := gluster.Client{Runner: h.Runner}.Version(ctx)
		if err != nil {
			return "" // it is being installed
		}
		r.of, r.version = made, v.String()
	}
	return r.version
}
