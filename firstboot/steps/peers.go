package steps

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berries/firstboot/cards"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// Others is what the peer service knows of the other nodes.
type Others interface {
	// Peers are the nodes that have proved their names.
	Peers() []peers.Peer
}

// GlusterFS is the key in a peer's versions of the release that it has installed.
const GlusterFS = "glusterfs"

// Peers waits until this node knows where every member of its trusted pool is,
// itself included, for glusterd has to find them by their names; and until another one
// answers.
//
// It changes nothing: the peer service, which runs all the while, keeps
// /etc/hosts. The addresses of an earlier boot count, and so a node that has met
// the others does not wait for one that is off. Nor does a card that was flashed
// anew, once a member says that the cluster is up: it joins those that are there.
//
// A card that was replaced by another one goes no further: its files are old, and
// GlusterFS would take them for good ones (package cards). That is why another member
// has to answer before glusterd starts.
type Peers struct {
	Others Others
	Cards  *cards.Book
}

const hostsPath = "/etc/hosts"

// lookEvery is how often a step looks again at what it waits for.
const lookEvery = 2 * time.Second

// Name implements Step.
func (Peers) Name() string { return "peers" }

// Look implements Step.
func (s Peers) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	missing, err := s.missing(h, f)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		return State{"not found yet: " + strings.Join(missing, ", ")}, nil
	}
	replaced, err := s.replaced(ctx, h, f)
	if err != nil || !replaced {
		return nil, err
	}
	return State{"this card is an old one"}, nil
}

// Act implements Step. It waits as long as it takes.
func (s Peers) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	p := patience{h: h, say: say}
	for {
		missing, err := s.missing(h, f)
		if err != nil {
			return err
		}
		if len(missing) == 0 {
			break
		}
		if err := p.wait(ctx, "waiting for "+strings.Join(missing, ", ")); err != nil {
			return err
		}
	}
	replaced, err := s.replaced(ctx, h, f)
	if err != nil || !replaced {
		return err
	}
	if err := stopGluster(ctx, h); err != nil {
		return err
	}
	return fmt.Errorf("this card was replaced: %s has another one now; to use it again, flash it anew and take the other one out", f.Name)
}

// replaced takes note of what the others know of cards, and tells whether another one
// has taken this one's place. A new card with an empty brick is about to take it.
func (s Peers) replaced(ctx context.Context, h *host.Host, f node.File) (bool, error) {
	for _, p := range s.Others.Peers() {
		if err := s.Cards.Learn(p.State.Cards); err != nil {
			return false, err
		}
	}
	if present := s.Cards.Present()[f.Name].Card; present == "" || present == s.Cards.Own() {
		return false, nil
	}
	mark, err := Volume{}.at(h, f, nil).mark(ctx)
	return mark != "", err
}

// stopGluster ends all that could write to the brick: glusterd leaves its daemons
// running when it stops.
func stopGluster(ctx context.Context, h *host.Host) error {
	if err := h.Units.Stop(ctx, glusterd); err != nil {
		return err
	}
	_, err := h.Runner.Run(ctx, host.Command("pkill", "--exact", "glusterfsd|glusterfs"))
	if none := host.ExitCode(err) == 1; none {
		return nil
	}
	return err
}

// missing lists the members whose names lead nowhere, unless there is a cluster to
// join without them; or all others, while none of them answers.
func (s Peers) missing(h *host.Host, f node.File) ([]string, error) {
	text, err := h.Files.Read(hostsPath)
	if err != nil {
		return nil, err
	}
	known := resolvable(string(text))
	answer := slices.DeleteFunc(slices.Clone(s.Others.Peers()), func(p peers.Peer) bool { return len(p.Addresses) == 0 })
	up := slices.ContainsFunc(answer, func(p peers.Peer) bool { return p.State.Ready })
	var missing []string
	for _, m := range f.Gluster.Members {
		switch {
		case m.Name == f.Name && !known[m.Name]:
			missing = append(missing, "an address of its own")
		case m.Name == f.Name, known[m.Name] && len(answer) > 0:
		case !up:
			missing = append(missing, m.Name)
		}
	}
	return missing, nil
}

// resolvable are the names in hosts(5) that lead to another address than the machine's
// loopback.
func resolvable(hosts string) map[string]bool {
	names := map[string]bool{}
	for line := range strings.Lines(hosts) {
		w := words(line)
		if len(w) == 0 {
			continue
		}
		if a, err := netip.ParseAddr(w[0]); err == nil && !a.IsLoopback() {
			for _, name := range w[1:] {
				names[name] = true
			}
		}
	}
	return names
}
