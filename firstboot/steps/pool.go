package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// Pool makes this node a member of its trusted pool, which forms by itself: glusterd
// knows who it is and who the others are before it starts for the first time, and
// speaks nothing but TLS from then on. Nobody ever probes a peer, so there is no
// moment at which a stranger could take a new node into a pool of his own; and a
// card that was flashed anew is the member that it was before.
//
// It needs the package glusterfs-server, the certificates, and the names of the
// members in /etc/hosts. It leaves a drop-in for glusterd's unit, a file with which it
// starts sooner (gluster.QuickStart), two options in its configuration file, the seeds
// (gluster.Seeds), and glusterd running. It does not enable glusterd: at every boot this
// step starts it, once the step peers has seen to the names.
//
// It holds when every member is connected. A node whose glusterd knows the volume
// does without those that are not: the others serve it. Until then a member with
// another release of GlusterFS is refused; afterwards it is not, because an upgrade
// comes to one node after the other.
type Pool struct{ Others Others }

// Name implements Step.
func (Pool) Name() string { return "pool" }

// Look implements Step. It runs gluster two or three times.
func (s Pool) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := s.at(h, f).differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits as long as it takes.
func (s Pool) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return insist(ctx, h, say, s.at(h, f).differences)
}

func (s Pool) at(h *host.Host, f node.File) pool {
	return pool{h, f, s.Others, glusterOf(h, glusterAnswers)}
}

// pool does the work of the step.
type pool struct {
	h       *host.Host
	f       node.File
	others  Others
	gluster gluster.Client
}

const glusterd = "glusterd.service"

func (p pool) differences(ctx context.Context) ([]difference, error) {
	release, err := p.gluster.Version(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot find out which GlusterFS is installed: %w", err)
	}
	if err := p.refuse(release); err != nil {
		return nil, err
	}
	var list []difference
	for _, look := range []func() ([]difference, error){
		func() ([]difference, error) { return unitFile(p.h, glusterdDropIn, glusterdUnit(p.f)) },
		func() ([]difference, error) { return quickStart(p.h) },
		p.options,
		func() ([]difference, error) { return p.seeds(release) },
		func() ([]difference, error) { return p.running(ctx) },
	} {
		some, err := look()
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	if len(list) > 0 {
		return list, nil
	}
	return p.members(ctx)
}

// refuse refuses a member with another release, while there is no volume here.
func (p pool) refuse(own gluster.Version) error {
	if p.h.Files.Exists(volumesDir + "/" + p.f.Gluster.Volume) {
		return nil
	}
	for _, peer := range p.others.Peers() {
		release, known := peer.State.Versions[GlusterFS]
		if !known || release == own.String() || !p.isMember(peer.Name) {
			continue
		}
		return fmt.Errorf("%s has GlusterFS %s, but %s has %s, and a pool has one; build the images of both anew with one lock",
			p.f.Name, own, peer.Name, release)
	}
	return nil
}

func (p pool) isMember(name string) bool {
	return slices.ContainsFunc(p.f.Gluster.Members, func(m node.Member) bool { return m.Name == name })
}

// running looks whether systemd has glusterd running.
func (p pool) running(ctx context.Context) ([]difference, error) {
	return inactive(ctx, p.h, glusterd, "glusterd", func(ctx context.Context) error { return p.h.Units.Start(ctx, glusterd) })
}

// members compares the pool as glusterd sees it with what it should be.
func (p pool) members(ctx context.Context) ([]difference, error) {
	seen, err := p.gluster.PeerStatus(ctx)
	if err != nil {
		return p.unanswered(err)
	}
	absent, rejected := p.absent(seen)
	if len(absent) == 0 {
		return nil, nil
	}
	// A node that everybody else rejects is the one that is wrong.
	if rejected < len(p.f.Gluster.Members)-1 {
		_, err := p.gluster.VolumeInfo(ctx, p.f.Gluster.Volume)
		if !errors.Is(err, gluster.ErrNoVolume) {
			return p.unanswered(err)
		}
	}
	missing := strings.Join(absent, ", ")
	return []difference{{what: "not in the pool yet: " + missing, doing: "waiting for " + missing}}, nil
}

// unanswered are the differences behind an error of gluster's.
func (p pool) unanswered(err error) ([]difference, error) {
	if list, found := glusterdIs(err); found || err == nil {
		return list, nil
	}
	return nil, fmt.Errorf("cannot look at the pool: %w", err)
}

// absent names the members that are not ready, each with what is known of it, and
// counts those that do not agree with this node.
func (p pool) absent(seen []gluster.Peer) (names []string, rejected int) {
	for _, m := range p.f.Gluster.Members {
		i := slices.IndexFunc(seen, func(s gluster.Peer) bool { return s.UUID == m.UUID })
		switch {
		case m.Name == p.f.Name, i >= 0 && seen[i].Ready():
		case i >= 0 && seen[i].State == gluster.PeerRejected:
			rejected++
			names = append(names, fmt.Sprintf("%s (its records of the volume differ from this node's; on the node that is wrong, type: "+
				"systemctl stop glusterd; rm -r %s %s; systemctl restart berry-firstboot)", m.Name, volumesDir, gluster.PeersDir))
		case i >= 0 && seen[i].Connected:
			names = append(names, fmt.Sprintf("%s (%s)", m.Name, seen[i].StateText))
		case !slices.ContainsFunc(p.others.Peers(), func(o peers.Peer) bool { return o.Name == m.Name && len(o.Addresses) > 0 }):
			names = append(names, m.Name+" (silent)")
		default:
			names = append(names, m.Name)
		}
	}
	return names, rejected
}
