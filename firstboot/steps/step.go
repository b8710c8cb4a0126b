// Package steps makes a machine the node that its node file says it is. For
// lists the steps of a node in their order, each in one file that is named after
// what it brings about and whose comment is its manual. Run walks them: it
// looks, acts where something differs, and looks again. A step takes the node
// file and the Host, changes the machine, and tells how it went; it keeps no
// state of its own, for what a look finds on the machine is the state. So every
// step is safe to run at any time, any number of times, after any power cut.
//
// What is not here on purpose: retries. A step that fails ends the run, and
// systemd starts the program again, which looks at everything again.
package steps

import (
	"context"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Step is one thing that first boot brings about.
type Step interface {
	// Name is one word, for the console and the status file.
	Name() string
	// Look finds out, changing nothing, how the machine differs from what the
	// step wants. It fails where that cannot be found out, and where the step
	// refuses to touch the machine as it is.
	Look(ctx context.Context, h *host.Host, f node.File) (State, error)
	// Act makes the machine as the step wants it, whatever part of that holds
	// already. It may wait as long as it takes for something outside the
	// machine, and says what it does or waits for, in a few words.
	Act(ctx context.Context, h *host.Host, f node.File, say func(doing string)) error
}

// For lists the steps of a node in the order in which they are walked.
func For(f node.File) []Step {
	list := []Step{Identity{}}
	if f.Brick != nil {
		list = append(list, Card{})
	}
	return list
}

// State is what a look found: what is not yet as it should be, in plain words.
// An empty State holds.
type State []string

// Holds tells whether nothing is left to do.
func (s State) Holds() bool { return len(s) == 0 }

func (s State) String() string { return strings.Join(s, "; ") }

// difference is one thing that is not as it should be.
type difference struct {
	what  string // what it is: "the host name is raspberrypi, not cluster01"
	doing string // what is said while it is mended: "setting the host name"
	// mend makes it right. It is nil where nothing that a step may do would help.
	mend func(ctx context.Context) error
}

// stateOf is the State of a list of differences.
func stateOf(list []difference) State {
	var s State
	for _, d := range list {
		s = append(s, d.what)
	}
	return s
}

// mendAll mends the first difference that look finds, looks again, and so on:
// mending one may show another, such as a filesystem that is smaller than its
// partition once the partition has grown. It gives up, without an error, at a
// difference that stays; the look after Act tells it.
func mendAll(ctx context.Context, say func(string), look func() ([]difference, error)) error {
	tried := map[string]bool{}
	for {
		list, err := look()
		if err != nil || len(list) == 0 {
			return err
		}
		first := list[0]
		if tried[first.what] || first.mend == nil {
			return nil
		}
		tried[first.what] = true
		say(first.doing)
		if err := first.mend(ctx); err != nil {
			return err
		}
	}
}
