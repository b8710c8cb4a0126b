package steps

import (
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"berries/firstboot/brick"
	"berries/firstboot/cards"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// How a brick that has lost its content, on a card that was flashed anew, gets it
// back.
//
// Its node sees that it lacks the mark of the volume, writes RebuildPath, and tells
// the others by its state. One of them, the caretaker, makes its card the present one
// of that name, and has gluster put the brick into the volume again, which marks
// everything on the other bricks as to be healed. Then the node waits until nothing is
// left to heal, compares its files with the other copies', and takes RebuildPath away.
// Until then it serves nobody.

// RebuildPath is a file that is there while this node's brick is not known to hold
// what the other copies do. Its content is the brick's state. Apache looks for it, so
// its folder is open to everybody.
const RebuildPath = "/var/lib/berry/rebuild"

// BrickPath is where a node serves the list of its brick's files to the others.
const BrickPath = "/brick"

// BrickState is the state of this node's brick, as the others are told it.
func BrickState(files *host.Files) string {
	state, err := files.Read(RebuildPath)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(state))
}

func (v volume) writeState(state string) error {
	if err := v.h.Files.Mkdir(path.Dir(RebuildPath), 0o755); err != nil {
		return err
	}
	return v.h.Files.Replace(RebuildPath, []byte(state+"\n"), 0o644)
}

// lost is what to do about a brick without the mark of its volume.
func (v volume) lost() []difference {
	d := difference{what: fmt.Sprintf("the brick of %s is new and empty", v.f.Name)}
	if BrickState(v.h.Files) != peers.BrickNew {
		d.doing = "telling the others that the brick is new"
		d.mend = v.tellNew
	} else {
		d.doing = "waiting for " + strings.Join(v.partners(), " or ") + " to take the new brick in"
	}
	return []difference{d}
}

// tellNew makes this node ready for its new brick. A glusterd that got its records of
// the volume from the others since it started does not take the brick for one of the
// volume's ("When destination brick is new, please use gluster volume replace-brick",
// seen on 11.1); one that has read them from its own files does.
func (v volume) tellNew(ctx context.Context) error {
	if v.f.GeoRep != nil {
		if err := v.plantSession(ctx); err != nil {
			return err
		}
	}
	if err := v.h.Units.Restart(ctx, glusterd); err != nil {
		return err
	}
	return v.writeState(peers.BrickNew)
}

// incomplete is what to do about a brick that is in the volume, but not known to hold
// what the other copies do.
func (v volume) incomplete() []difference {
	if BrickState(v.h.Files) == "" {
		return nil
	}
	return []difference{{
		what:  fmt.Sprintf("the brick of %s may lack files", v.f.Name),
		doing: "filling the brick",
		mend:  v.fill,
	}}
}

// fill waits until the brick holds what the other copies do.
func (v volume) fill(ctx context.Context) error {
	if err := v.writeState(peers.BrickFilling); err != nil {
		return err
	}
	p := patience{h: v.h, say: v.say}
	var left map[string]string // see narrow; nil before the first comparison
	for {
		words, err := v.toHeal(ctx)
		if words == "" && err == nil {
			left, words, err = v.narrow(ctx, left)
		}
		if err != nil {
			return err
		}
		if words == "" {
			return v.h.Files.Remove(RebuildPath)
		}
		if err := p.wait(ctx, words); err != nil {
			return err
		}
	}
}

// narrow compares once more. Left are the paths that have differed in every comparison,
// with the sum of this node's copy, "" where it has none. Files that somebody is writing
// differ now and then, but not each time; or each time, as a log does, but then this
// node's copy is another each time, too: it gets what is written, and GlusterFS, which
// was asked before, knows of nothing that it lacks. Without words nothing is left.
func (v volume) narrow(ctx context.Context, left map[string]string) (now map[string]string, words string, err error) {
	differ, words, err := v.compare(ctx)
	if words != "" || err != nil {
		return left, words, err
	}
	if left != nil {
		maps.DeleteFunc(differ, func(path, sum string) bool {
			before, differed := left[path]
			return !differed || before != "" && before != sum
		})
	}
	if len(differ) > 0 {
		words = "filling the brick: not as on the other nodes: " + few(slices.Sorted(maps.Keys(differ)))
	}
	return differ, words, nil
}

// toHeal says what there is to heal, and has it healed; "" is nothing.
func (v volume) toHeal(ctx context.Context) (string, error) {
	h, err := calmly(ctx, v.h, func() (gluster.Heal, error) { return v.gluster.HealSummary(ctx, v.name) })
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return fmt.Sprintf("waiting to hear what there is to heal: %v", err), nil
	}
	if h.Healed() {
		return "", nil
	}
	left := 0
	for _, b := range h {
		left = max(left, b.Entries)
		if !b.Connected {
			return "waiting for the brick " + b.Brick, nil
		}
	}
	if err := v.gluster.Heal(ctx, v.name); err != nil && ctx.Err() == nil {
		return fmt.Sprintf("filling the brick: %v", err), nil
	}
	return fmt.Sprintf("filling the brick: %d files and folders to go", left), ctx.Err()
}

// compare gives the paths that this node's brick and the other copies do not have
// alike, each with the sum of this node's copy. Words say why that cannot be told yet.
func (v volume) compare(ctx context.Context) (differ map[string]string, words string, err error) {
	var own []brick.File
	sums := map[string]string{}
	err = brick.Walk(v.h.Files, v.f.Brick.Dir, func(f brick.File) error {
		own = append(own, f)
		sums[f.Path] = f.Sum
		return ctx.Err()
	})
	if err != nil {
		return nil, "", fmt.Errorf("cannot read the brick: %w", err)
	}
	differ = map[string]string{}
	compared := false
	for _, p := range v.others.Peers() {
		if !slices.Contains(v.partners(), p.Name) || p.State.Brick != "" || len(p.Addresses) == 0 {
			continue
		}
		list, err := v.listOf(ctx, p.Name)
		if err != nil {
			return nil, fmt.Sprintf("waiting for the files of %s: %v", p.Name, err), context.Cause(ctx)
		}
		for _, path := range brick.Differences(own, list) {
			differ[path] = sums[path]
		}
		compared = true
	}
	if !compared {
		return nil, "waiting for " + strings.Join(v.partners(), " or ") + " to compare the brick with", nil
	}
	return differ, "", nil
}

func (v volume) listOf(ctx context.Context, name string) ([]brick.File, error) {
	body, err := v.others.Fetch(ctx, name, BrickPath)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return brick.Read(body)
}

// partners are the members that hold the same files as this node: three bricks that
// follow one another.
func (v volume) partners() []string {
	names := v.members()
	at := slices.Index(names, v.f.Name)
	const copies = 3
	first := at - at%copies
	return slices.DeleteFunc(names[first:min(first+copies, len(names))], func(name string) bool { return name == v.f.Name })
}

// replaced is what to do for members whose brick is new, where this node is their
// caretaker.
func (v volume) replaced(s gluster.Status, info gluster.Volume) []difference {
	for _, p := range v.others.Peers() {
		if p.State.Brick != peers.BrickNew || p.State.Card == "" || !slices.Contains(s.Offline(info), v.brickOf(p.Name)) ||
			v.caretaker(p.Name) != v.f.Name {
			continue
		}
		return []difference{{
			what:  fmt.Sprintf("the card of %s is new", p.Name),
			doing: fmt.Sprintf("taking the new brick of %s in", p.Name),
			mend:  func(ctx context.Context) error { return v.takeIn(ctx, p) },
		}}
	}
	return nil
}

// takeIn puts the brick of a new card into the volume. The book comes first: were it
// the other way round, a cut between the two would leave a present card that looks
// like an old one.
func (v volume) takeIn(ctx context.Context, p peers.Peer) error {
	if err := v.cards.Replace(p.Name, p.State.Card); err != nil {
		return err
	}
	if v.f.GeoRep != nil {
		// While a session runs no brick is put in. It is started again when all are filled.
		session := sessionOf(v.f)
		if err := v.change(ctx, "stop the geo-replication of", func(c gluster.Client) error { return c.GeoRepStop(ctx, v.name, session, true) }); err != nil {
			v.say(err.Error()) // there is none
		}
	}
	return later(v.change(ctx, "take the brick of "+p.Name+" into", func(c gluster.Client) error {
		return c.ResetBrickCommit(ctx, v.name, v.brickOf(p.Name))
	}))
}

// caretaker is the first member by name, other than that one, that answers and whose
// brick is as it should be. All nodes come to the same result, or gluster lets one of
// them go first.
func (v volume) caretaker(of string) string {
	var can []string
	if BrickState(v.h.Files) == "" {
		can = append(can, v.f.Name)
	}
	for _, p := range v.others.Peers() {
		isMember := slices.ContainsFunc(v.f.Gluster.Members, func(m node.Member) bool { return m.Name == p.Name })
		if isMember && p.Name != of && p.State.Brick == "" && len(p.Addresses) > 0 {
			can = append(can, p.Name)
		}
	}
	if len(can) == 0 {
		return ""
	}
	return slices.Min(can)
}

// unregistered is what to do where nobody has said yet which card this node's is.
func (v volume) unregistered() []difference {
	if v.cards.Present()[v.f.Name].Card != "" {
		return nil
	}
	return []difference{{
		what:  "this card is not in the book of cards",
		doing: "writing " + cards.Path,
		mend:  func(context.Context) error { return v.cards.Replace(v.f.Name, v.cards.Own()) },
	}}
}

// Neighbours are other nodes that can be asked for what they serve.
type Neighbours interface {
	Others
	// Fetch gets what a node serves at a path. Whoever gets a reader closes it.
	Fetch(ctx context.Context, name, path string) (io.ReadCloser, error)
}
