package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/gluster"
)

// stopped is what to do where this node's brick is not online.
func (v volume) stopped(ctx context.Context, info gluster.Volume) ([]difference, error) {
	mark, err := v.mark(ctx)
	switch {
	case err != nil:
		return nil, err
	case mark == "":
		return v.lost(), nil
	case mark != strings.ReplaceAll(info.ID, "-", ""):
		return v.strange(mark, info)
	}
	seen, err := v.gluster.PeerStatus(ctx)
	if err != nil {
		return v.unanswered(err)
	}
	// After a boot glusterd starts the brick when it has met another node, whose
	// records of the volume may be newer.
	if len(seen) > 0 && !slices.ContainsFunc(seen, gluster.Peer.Ready) {
		others := slices.DeleteFunc(v.members(), func(name string) bool { return name == v.f.Name })
		return []difference{{what: "this node is alone", doing: "waiting for one of " + strings.Join(others, ", ")}}, nil
	}
	return v.restart("this node's brick is offline"), nil
}

// strange is what to do about a brick with the mark of another volume: that of a
// create which this node tried before it had heard of the volume, or files.
func (v volume) strange(mark string, info gluster.Volume) ([]difference, error) {
	held, err := v.held()
	if err == nil && held != "" {
		err = fmt.Errorf("%s is a brick of another volume, with the id %s, and holds %s; volume %s has %s; copy what is of use elsewhere and flash the card again",
			v.f.Brick.Dir, mark, held, v.name, info.ID)
	}
	if err != nil {
		return nil, err
	}
	return v.anew("another volume"), nil
}

// anew makes a brick that holds nothing into a plain directory again.
func (v volume) anew(of string) []difference {
	dir := v.f.Brick.Dir
	return []difference{{
		what:  fmt.Sprintf("%s is marked as part of %s", dir, of),
		doing: "making " + dir + " anew",
		mend: func(context.Context) error {
			if err := v.h.Files.Remove(dir); err != nil {
				return err
			}
			return v.h.Files.Mkdir(dir, 0o755)
		},
	}}
}

// restart has glusterd start what is missing on this node, which it does when it
// starts itself. It is this node's own business, and marks nothing as healed.
func (v volume) restart(what string) []difference {
	return []difference{{
		what: what, doing: "starting glusterd again", after: mayPass,
		mend: func(ctx context.Context) error { return v.h.Units.Restart(ctx, glusterd) },
	}}
}
