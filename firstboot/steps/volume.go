package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"berries/firstboot/cards"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// Volume creates the volume, starts it, and sees to it that this node does its part.
//
// It needs the pool, and the brick's directory. Only the first member by name issues
// commands that concern all: it creates the volume of all members' bricks, three
// copies of each file where there is more than one, sets its options and starts it,
// in that order, since what encrypts it and says who may mount it must be there when
// its bricks start. The others wait for it to do so. The step holds when the volume
// is started and this node's own brick and self-heal daemon are online: the other
// nodes' are their own business, but the one that has started the volume waits for
// all of them.
//
// A create that has failed or been cut leaves its mark on bricks, and is refused for
// it from then on. Such a brick is made anew, where it is certain that it holds no
// files; nothing is ever forced. A brick that is offline is brought back by another
// start of glusterd.
//
// A brick without the mark of a volume that is started is on a card that was flashed
// anew. Starting it by force would make everybody believe that it has all files; it is
// filled from the others (volume_rebuild.go).
type Volume struct {
	Others Neighbours
	Cards  *cards.Book
}

// Name implements Step.
func (Volume) Name() string { return "volume" }

// Look implements Step. It runs gluster twice.
func (s Volume) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := s.at(h, f, func(string) {}).differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits as long as it takes.
func (s Volume) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return insist(ctx, h, say, s.at(h, f, say).differences)
}

// volume does the work of the step.
type volume struct {
	h       *host.Host
	f       node.File
	name    string
	say     func(string)
	gluster gluster.Client
	others  Neighbours
	cards   *cards.Book
}

func (s Volume) at(h *host.Host, f node.File, say func(string)) volume {
	return volume{h, f, f.Gluster.Volume, say, glusterOf(h, glusterAnswers), s.Others, s.Cards}
}

// mayPass is for how long something is looked at that may pass by itself: a create
// on its way looks like one that has failed, a brick takes its time to start.
const mayPass = 30 * time.Second

// members are the names of the pool's members in the order of their bricks.
func (v volume) members() []string {
	var names []string
	for _, m := range v.f.Gluster.Members {
		names = append(names, m.Name)
	}
	return names
}

// leader is the member that issues commands that concern all.
func (v volume) leader() string { return slices.Min(v.members()) }

// bricks are the volume's, in their order.
func (v volume) bricks() []string {
	var list []string
	for _, name := range v.members() {
		list = append(list, v.brickOf(name))
	}
	return list
}

// brickOf is a member's brick. Directories are the same on all of them.
func (v volume) brickOf(name string) string { return name + ":" + v.f.Brick.Dir }

func (v volume) differences(ctx context.Context) ([]difference, error) {
	info, err := calmly(ctx, v.h, func() (gluster.Volume, error) { return v.gluster.VolumeInfo(ctx, v.name) })
	if errors.Is(err, gluster.ErrNoVolume) {
		return v.absent(ctx)
	}
	if err != nil {
		return v.unanswered(err)
	}
	if err := v.refuse(info); err != nil {
		return nil, err
	}
	if list := append(v.options(info), v.start(info)...); len(list) > 0 {
		return list, nil
	}
	return v.running(ctx, info)
}

// unanswered are the differences behind an error of gluster's.
func (v volume) unanswered(err error) ([]difference, error) {
	if list, found := glusterdIs(err); found {
		return list, nil
	}
	return nil, fmt.Errorf("cannot look at volume %s: %w", v.name, err)
}

// absent is what to do where there is no volume.
func (v volume) absent(ctx context.Context) ([]difference, error) {
	if list, err := v.leftovers(ctx); err != nil || len(list) > 0 {
		return list, err
	}
	d := difference{what: "there is no volume " + v.name, doing: v.awaiting()}
	if v.f.Name == v.leader() {
		if d.doing = v.unprepared(); d.doing == "" {
			d.doing, d.mend = "creating volume "+v.name, v.create
		}
	}
	return []difference{d}, nil
}

// awaiting are the words of a node that waits for the volume to be created.
func (v volume) awaiting() string {
	return fmt.Sprintf("waiting for %s to create volume %s", v.leader(), v.name)
}

// Awaits tells from how a node's step stands whether it waits for the volume to be
// created.
func Awaits(f node.File, s status.Step) bool {
	return f.Gluster != nil && s.State == status.Running && s.Doing == volume{f: f, name: f.Gluster.Volume}.awaiting()
}

// unprepared says whom the first node waits for before it creates the volume; "" is
// nobody. A create that is refused by one member has marked the bricks of others, and
// is refused for that from then on. So each member has to be through with its own view
// of the pool, and with what an earlier create has left on its brick.
func (v volume) unprepared() string {
	ready := map[string]bool{v.f.Name: true}
	for _, p := range v.others.Peers() {
		ready[p.Name] = p.State.Awaits && len(p.Addresses) > 0
	}
	missing := slices.DeleteFunc(v.members(), func(name string) bool { return ready[name] })
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("waiting for %s to be ready for volume %s", strings.Join(missing, ", "), v.name)
}

// create creates the volume, when every node is there to take part. Whatever speaks
// against it may pass: the others see to their bricks, and a card that was flashed anew
// hears of the volume a moment after it has met them.
func (v volume) create(ctx context.Context) error {
	seen, err := v.gluster.PeerStatus(ctx)
	if err != nil {
		return later(err)
	}
	for _, p := range seen {
		if !p.Ready() {
			return later(fmt.Errorf("%s is not in the pool just now", p.Hostnames[0]))
		}
	}
	return later(v.change(ctx, "create", func(c gluster.Client) error {
		_, err := c.VolumeCreate(ctx, v.name, v.bricks()...)
		return err
	}))
}

// change runs a command that concerns all nodes.
func (v volume) change(ctx context.Context, verb string, do func(gluster.Client) error) error {
	_, err := calmly(ctx, v.h, func() (struct{}, error) { return struct{}{}, do(glusterOf(v.h, glusterActs)) })
	switch _, unanswered := glusterdIs(err); {
	case unanswered:
		return later(err)
	case err != nil:
		return fmt.Errorf("cannot %s volume %s: %w", verb, v.name, err)
	}
	return nil
}

// refuse refuses a volume that is not made of this cluster's bricks.
func (v volume) refuse(info gluster.Volume) error {
	var is []string
	for _, b := range info.Bricks {
		is = append(is, b.Name)
	}
	want := v.bricks()
	if slices.Equal(is, want) && (len(want) == 1 || info.Replica == 3) {
		return nil
	}
	return fmt.Errorf("volume %s holds %d copies on %s, but this image is for %s; flash images of one build to all nodes",
		v.name, info.Replica, strings.Join(is, ", "), strings.Join(want, ", "))
}

// options compares the volume's options with those that it must have. They concern
// all nodes.
func (v volume) options(info gluster.Volume) []difference {
	if v.f.Name != v.leader() {
		return nil
	}
	var missing []gluster.Option
	var names []string
	for _, o := range v.wanted() {
		if info.Options[o.Name] != o.Value {
			missing = append(missing, o)
			names = append(names, o.Name)
		}
	}
	if missing == nil {
		return nil
	}
	return []difference{{
		what:  fmt.Sprintf("options of volume %s are not set: %s", v.name, few(names)),
		doing: "setting the options of volume " + v.name,
		mend: func(ctx context.Context) error {
			return v.change(ctx, "set options of", func(c gluster.Client) error { return c.VolumeSet(ctx, v.name, missing...) })
		},
	}}
}

// wanted are the options that the volume must have. One that is a copy is nobody's to
// write to: glusterd lets geo-replication through.
func (v volume) wanted() []gluster.Option {
	list := gluster.WebOptions(v.members()...)
	if v.f.Secondary != nil {
		list = append(list, gluster.Option{Name: "features.read-only", Value: "on"})
	}
	return list
}

// start compares the volume's status with what it must be.
func (v volume) start(info gluster.Volume) []difference {
	if info.Status == gluster.VolumeStarted {
		return nil
	}
	d := difference{
		what:  fmt.Sprintf("volume %s is not started", v.name),
		doing: fmt.Sprintf("waiting for %s to start volume %s", v.leader(), v.name),
	}
	if v.f.Name == v.leader() {
		d.doing = "starting volume " + v.name
		d.mend = func(ctx context.Context) error {
			err := v.change(ctx, "start", func(c gluster.Client) error { return c.VolumeStart(ctx, v.name) })
			if err != nil {
				return err
			}
			return v.awaitAll(ctx, info)
		}
	}
	return []difference{d}
}
