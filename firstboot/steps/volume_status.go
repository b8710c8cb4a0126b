package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/gluster"
	"berries/firstboot/node"
)

// running looks whether this node's own processes of the volume are online, its
// brick complete, and another's new.
func (v volume) running(ctx context.Context, info gluster.Volume) ([]difference, error) {
	s, list, err := v.status(ctx)
	if err != nil || list != nil {
		return list, err
	}
	if slices.Contains(s.Offline(info), v.brickOf(v.f.Name)) {
		return v.stopped(ctx, info)
	}
	self := slices.IndexFunc(v.f.Gluster.Members, func(m node.Member) bool { return m.Name == v.f.Name })
	if !v.heals(s, v.f.Gluster.Members[self]) {
		return v.restart("this node's self-heal daemon is offline"), nil
	}
	for _, list := range [][]difference{v.incomplete(), v.unregistered(), v.replaced(s, info)} {
		if list != nil {
			return list, nil
		}
	}
	return nil, nil
}

// status asks what runs for the volume. All nodes take part in the answer, which
// there is none of while one of them comes or goes: that is a difference.
func (v volume) status(ctx context.Context) (gluster.Status, []difference, error) {
	s, err := calmly(ctx, v.h, func() (gluster.Status, error) {
		s, err := v.gluster.VolumeStatus(ctx, v.name)
		// So glusterd says that a node went away in the middle of it.
		if err != nil && saysOne(err.Error(), "Locking failed on ", "Staging failed on ", "Commit failed on ") {
			err = errors.Join(gluster.ErrBusy, err)
		}
		return s, err
	})
	if refusal, refused := errors.AsType[*gluster.Error](err); refused && !errors.Is(err, gluster.ErrNotRunning) && !errors.Is(err, gluster.ErrBusy) {
		return s, []difference{{
			what:  fmt.Sprintf("the status of volume %s is not known: %v", v.name, refusal),
			doing: fmt.Sprintf("waiting for the status of volume %s: %v", v.name, refusal),
		}}, nil
	}
	if err != nil {
		list, err := v.unanswered(err)
		return s, list, err
	}
	return s, nil, nil
}

// awaitAll waits until every brick and every self-heal daemon is online.
func (v volume) awaitAll(ctx context.Context, info gluster.Volume) error {
	p := patience{h: v.h, say: v.say}
	for {
		s, list, err := v.status(ctx)
		if err != nil {
			return err
		}
		words := "waiting for " + strings.Join(v.offline(s, info), ", ")
		switch {
		case list != nil:
			words = list[0].doing
		case len(v.offline(s, info)) == 0:
			return nil
		}
		if err := p.wait(ctx, words); err != nil {
			return err
		}
	}
}

// offline names the bricks and self-heal daemons that are not online.
func (v volume) offline(s gluster.Status, info gluster.Volume) []string {
	var list []string
	down := s.Offline(info)
	for _, m := range v.f.Gluster.Members {
		switch {
		case slices.Contains(down, v.brickOf(m.Name)):
			list = append(list, "the brick of "+m.Name)
		case !v.heals(s, m):
			list = append(list, "the self-heal daemon of "+m.Name)
		}
	}
	return list
}

// heals tells whether a member's self-heal daemon runs, where it must.
func (v volume) heals(s gluster.Status, m node.Member) bool {
	is := func(p gluster.Process) bool { return p.Online && p.PeerUUID == m.UUID }
	return len(v.f.Gluster.Members) == 1 || slices.ContainsFunc(s.SelfHeal, is)
}
