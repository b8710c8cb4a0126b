package gluster

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// replicas is how many copies of a file a volume of several bricks holds.
const replicas = 3

// Volume is what glusterd keeps about a volume.
type Volume struct {
	Name       string
	ID         string // UUID
	Status     int    // VolumeCreated, VolumeStarted or VolumeStopped
	StatusText string
	Type       string // such as Replicate, Distributed-Replicate or Distribute
	Replica    int    // copies of each file
	Bricks     []Brick
	Options    map[string]string // those that are not left at their default
}

// The states of a volume (enum glusterd_volume_status_ in
// xlators/mgmt/glusterd/src/glusterd.h).
const (
	VolumeCreated = 0 // never started
	VolumeStarted = 1
	VolumeStopped = 2
)

// Brick is one directory of a volume.
type Brick struct {
	Name     string // host:/path
	HostUUID string // the node that holds it
	Arbiter  bool   // it holds names but no content
}

// Option is an option of a volume.
type Option struct{ Name, Value string }

// VolumeInfo gives one volume. The error is ErrNoVolume where there is none of
// that name.
func (c Client) VolumeInfo(ctx context.Context, name string) (Volume, error) {
	list, err := c.volumes(ctx, name)
	if err != nil {
		return Volume{}, err
	}
	if len(list) != 1 || list[0].Name != name {
		return Volume{}, fmt.Errorf("gluster tells of %d volumes when asked for %s: %w", len(list), name, ErrNoVolume)
	}
	return list[0], nil
}

// Volumes gives all volumes of the pool, of which there may be none.
func (c Client) Volumes(ctx context.Context) ([]Volume, error) { return c.volumes(ctx) }

func (c Client) volumes(ctx context.Context, name ...string) ([]Volume, error) {
	var a volumesAnswer
	if err := c.ask(ctx, &a, append([]string{"volume", "info"}, name...)...); err != nil {
		return nil, err
	}
	return a.volumes(), nil
}

// VolumeCreate creates a volume and returns its ID. One brick makes a plain volume;
// three, or a multiple of three, one that holds three copies of each file, on each
// three bricks that follow one another.
//
// It never forces: gluster's refusals are what notices that the brick's partition
// is not mounted. A create that fails can leave its mark on this node's brick, an
// extended attribute and .glusterfs, and the next one is refused for it ("already
// part of a volume"): the directory must be made anew in between.
func (c Client) VolumeCreate(ctx context.Context, name string, bricks ...string) (id string, err error) {
	args := []string{"volume", "create", name}
	switch n := len(bricks); {
	case n == 1:
	case n > 0 && n%replicas == 0:
		args = append(args, "replica", strconv.Itoa(replicas))
	default:
		return "", fmt.Errorf("cannot create volume %s of %d bricks: it takes 1 brick, or 3, 6, 9 and so on", name, n)
	}
	var a struct {
		reply
		ID string `xml:"volCreate>volume>id"`
	}
	err = c.ask(ctx, &a, append(args, bricks...)...)
	return a.ID, err
}

// VolumeSet sets options of a volume in one transaction: when one of them is
// refused, none is set.
func (c Client) VolumeSet(ctx context.Context, name string, options ...Option) error {
	args := []string{"volume", "set", name}
	for _, o := range options {
		args = append(args, o.Name, o.Value)
	}
	return c.ask(ctx, &reply{}, args...)
}

// VolumeStart starts a volume. One that is started already is an error.
func (c Client) VolumeStart(ctx context.Context, name string) error {
	return c.ask(ctx, &reply{}, "volume", "start", name)
}

// ResetBrickStart takes a brick (host:/path) out of service. ResetBrickCommit does
// not need it.
func (c Client) ResetBrickStart(ctx context.Context, volume, brick string) error {
	return c.ask(ctx, &reply{}, "volume", "reset-brick", volume, brick, "start")
}

// ResetBrickCommit puts a brick (host:/path) into service that has lost its
// content, on a card that was flashed anew, and marks all of it as to be healed
// from the others. To be run on another node than the brick's. Nothing else marks
// it: after a forced start gluster reports that there is nothing to heal, and the
// node serves a volume without files. Refused while a geo-replication session of
// the volume runs, or is known to the other nodes only.
func (c Client) ResetBrickCommit(ctx context.Context, volume, brick string) error {
	return c.ask(ctx, &reply{}, "volume", "reset-brick", volume, brick, brick, "commit", "force")
}

type volumesAnswer struct {
	reply
	Volumes []struct {
		Name       string `xml:"name"`
		ID         string `xml:"id"`
		Status     int    `xml:"status"`
		StatusText string `xml:"statusStr"`
		Type       string `xml:"typeStr"`
		Replica    int    `xml:"replicaCount"`
		Bricks     []struct {
			Name     string `xml:"name"`
			HostUUID string `xml:"hostUuid"`
			Arbiter  bool   `xml:"isArbiter"`
		} `xml:"bricks>brick"`
		Options []struct {
			Name  string `xml:"name"`
			Value string `xml:"value"`
		} `xml:"options>option"`
	} `xml:"volInfo>volumes>volume"`
}

func (a *volumesAnswer) volumes() []Volume {
	var list []Volume
	for _, x := range a.Volumes {
		v := Volume{
			Name: x.Name, ID: x.ID, Status: x.Status, StatusText: x.StatusText,
			Type: x.Type, Replica: x.Replica, Options: map[string]string{},
		}
		for _, b := range x.Bricks {
			v.Bricks = append(v.Bricks, Brick(b))
		}
		for _, o := range x.Options {
			v.Options[o.Name] = o.Value
		}
		list = append(list, v)
	}
	return list
}

// RecordPath is where glusterd keeps its own record of a volume.
func RecordPath(volume string) string { return "/var/lib/glusterd/vols/" + volume + "/info" }

// IDOf is the id of the volume in such a record; "" where it has none.
func IDOf(record []byte) string {
	for line := range strings.Lines(string(record)) {
		if id, found := strings.CutPrefix(line, "volume-id="); found {
			return strings.TrimSpace(id)
		}
	}
	return ""
}
