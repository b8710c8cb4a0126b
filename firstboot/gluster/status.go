package gluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Status is what runs for a volume. A node that is not connected is not in it at
// all.
type Status struct {
	Volume   string
	Bricks   []Process
	SelfHeal []Process // one per node of a replicated volume
}

// Process is a brick or a self-heal daemon.
type Process struct {
	// Host is the brick's host, as the volume was created with it; of a self-heal
	// daemon its node, which is localhost for the node that was asked.
	Host     string
	Path     string // the brick's directory; empty for a self-heal daemon
	PeerUUID string
	Online   bool
	Port     int // TCP; Unknown when it is offline, or listens on none
	PID      int // on its own node; Unknown when it is offline
}

// Offline lists the bricks of a volume, as host:/path, that are not online: those
// that status says are not, and those on nodes that it does not know of.
func (s Status) Offline(v Volume) []string {
	var names []string
	for _, b := range v.Bricks {
		online := func(p Process) bool { return p.Online && p.Host+":"+p.Path == b.Name }
		if !slices.ContainsFunc(s.Bricks, online) {
			names = append(names, b.Name)
		}
	}
	return names
}

// VolumeStatus gives the status of a volume. One that is not started has none:
// gluster makes it an error, as it does a volume that is not there (ErrNoVolume).
func (c Client) VolumeStatus(ctx context.Context, name string) (Status, error) {
	var a statusAnswer
	if err := c.ask(ctx, &a, "volume", "status", name); err != nil {
		return Status{}, err
	}
	list := a.statuses()
	if len(list) != 1 || list[0].Volume != name {
		return Status{}, fmt.Errorf("gluster gives the status of %d volumes when asked for %s", len(list), name)
	}
	return list[0], nil
}

type statusAnswer struct {
	reply
	Volumes []struct {
		Name  string `xml:"volName"`
		Nodes []struct {
			Hostname string `xml:"hostname"`
			Path     string `xml:"path"`
			PeerID   string `xml:"peerid"`
			Online   bool   `xml:"status"`
			Port     number `xml:"ports>tcp"`
			PID      number `xml:"pid"`
		} `xml:"node"`
	} `xml:"volStatus>volumes>volume"`
}

func (a *statusAnswer) statuses() []Status {
	var list []Status
	for _, x := range a.Volumes {
		s := Status{Volume: x.Name}
		for _, n := range x.Nodes {
			p := Process{Host: n.Hostname, Path: n.Path, PeerUUID: n.PeerID, Online: n.Online, Port: int(n.Port), PID: int(n.PID)}
			switch {
			case strings.HasPrefix(p.Path, "/"):
				s.Bricks = append(s.Bricks, p)
			case p.Host == "Self-heal Daemon": // a daemon has its name there, and its node in path
				p.Host, p.Path = p.Path, ""
				s.SelfHeal = append(s.SelfHeal, p)
			}
		}
		list = append(list, s)
	}
	return list
}
