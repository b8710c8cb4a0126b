// Package steps makes a machine the node that its node file says it is. For
// lists the steps of a node in their order, each in one file that is named after
// what it brings about and whose comment is its manual. Run walks them: it
// looks, acts where something differs, and looks again. A step takes the node
// file and the Host, changes the machine, and tells how it went; it keeps no
// state of its own, for what a look finds on the machine is the state. So every
// step is safe to run at any time, any number of times, after any power cut.
//
// Once all of them hold, Watch keeps looking at those that the world outside can undo.
//
// What is not here on purpose: retries of a first walk. A step that fails ends it,
// and systemd starts the program again, which looks at everything again. Only one that
// is Spared does not: a node without it is ready all the same, and Watch goes on.
package steps

import (
	"context"
	"strings"
	"time"

	"berries/firstboot/cards"
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

// Spared is a Step that no other step and no other node needs. When it fails, the walk
// goes on with the steps behind it, and the node is ready without it. So that it keeps
// none of them waiting, its Act waits for nothing that may take long.
type Spared interface {
	Step
	// Spared does nothing.
	Spared()
}

// IsSpared tells whether a step is Spared.
func IsSpared(s Step) bool {
	_, is := s.(Spared)
	return is
}

// Noter is a step that may have something to say although it holds, which nothing that it
// could do would change.
type Noter interface {
	// Note is one line without secrets; "" is nothing.
	Note(ctx context.Context, h *host.Host, f node.File) string
}

// For lists the steps of a node in the order in which they are walked.
func For(f node.File, others Neighbours, book *cards.Book) []Step {
	list := []Step{Identity{}}
	if f.Brick != nil {
		list = append(list, Card{})
	}
	if f.Packages != nil {
		list = append(list, Packages{})
	}
	if f.Tunnel != nil {
		list = append(list, Tunnel{})
	}
	if f.Gluster != nil {
		list = append(list, Peers{others, book}, Pool{others}, Volume{others, book}, Mount{})
	}
	if f.Web != nil {
		list = append(list, Web{})
	}
	if f.Secondary != nil {
		list = append(list, Secondary{})
	}
	if f.Balancer != nil {
		list = append(list, Balancer{})
	}
	if len(f.Ports) > 0 {
		list = append(list, Ports{})
	}
	if f.DDNS != nil {
		list = append(list, DDClient{})
	}
	if b := f.Balancer; b != nil && b.HTTPS != nil && b.HTTPS.ACME != nil {
		list = append(list, Certificate{}) // the authority finds the site by the name that ddclient keeps
	}
	if f.GeoRep != nil {
		list = append(list, GeoRep{others})
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
	// after is how long it must have been so before it is mended: it may well pass
	// by itself. Only insist heeds it.
	after time.Duration
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

// inactive looks whether systemd has a unit running, which people know by a name, and
// which start starts.
func inactive(ctx context.Context, h *host.Host, unit, name string, start func(context.Context) error) ([]difference, error) {
	active, err := h.Units.Active(ctx, unit)
	if err != nil || active {
		return nil, err
	}
	return []difference{{what: name + " is not running", doing: "starting " + name, mend: start}}, nil
}

// notAtBoot looks for the link that starts a service, which people know by a name, at
// every boot.
func notAtBoot(h *host.Host, unit, name string) ([]difference, error) {
	link, err := h.Files.Target(unitDir + "/multi-user.target.wants/" + unit)
	if err != nil || link != "" {
		return nil, err
	}
	return []difference{{
		what:  name + " is not started at boot",
		doing: "enabling " + name,
		mend:  func(ctx context.Context) error { return h.Units.Enable(ctx, unit) },
	}}, nil
}
