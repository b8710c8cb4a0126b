package gluster

import (
	"context"
	"strconv"
	"strings"
	"time"
)

// GeoRepPair is one brick of a primary volume and what it sends to a secondary.
// Of the bricks that hold the same files one is Active, the others are Passive. That
// a brick is Active does not prove that anything arrives.
type GeoRepPair struct {
	Volume    string
	Node      string // of the brick
	NodeUUID  string
	Brick     string // its directory
	User      string // who gsyncd logs in as at the secondary
	Secondary string // [USER@]HOST::VOLUME
	// SecondaryNode is the node that it is connected to; empty where it is to none.
	SecondaryNode string
	Status        string // Initializing…, Created, Active, Passive, Faulty, Stopped or Paused
	Crawl         string // Hybrid, History or Changelog Crawl; empty where it does not crawl
	// What waits to be sent, and what could not be; Unknown where it does not crawl.
	Entry, Data, Meta, Failures int
	LastSynced                  time.Time // zero where nothing was
	Checkpoint                  Checkpoint
}

// Checkpoint is a moment whose writes are waited for. All is zero where none is set.
type Checkpoint struct {
	Set       time.Time
	Completed bool
	At        time.Time // when it was completed
}

// GeoRepStatus gives the state of a session, for every brick of the volume whose
// node is connected; a session that has never been is an *Error as any other
// failure, since gluster says no more than "geo-replication command failed".
// Secondary is [USER@]HOST::VOLUME.
func (c Client) GeoRepStatus(ctx context.Context, volume, secondary string) ([]GeoRepPair, error) {
	var a geoRepAnswer
	if err := c.ask(ctx, &a, "volume", "geo-replication", volume, secondary, "status"); err != nil {
		return nil, err
	}
	return a.pairs(), nil
}

type geoRepAnswer struct {
	reply
	Volumes []struct {
		Name  string `xml:"name"`
		Pairs []struct {
			Node          string `xml:"primary_node"`
			NodeUUID      string `xml:"primary_node_uuid"`
			Brick         string `xml:"primary_brick"`
			User          string `xml:"secondary_user"`
			Secondary     string `xml:"secondary"`
			SecondaryNode string `xml:"secondary_node"`
			Status        string `xml:"status"`
			Crawl         string `xml:"crawl_status"`
			Entry         number `xml:"entry"`
			Data          number `xml:"data"`
			Meta          number `xml:"meta"`
			Failures      number `xml:"failures"`
			LastSynced    moment `xml:"last_synced"`
			Set           moment `xml:"checkpoint_time"`
			Completed     string `xml:"checkpoint_completed"`
			At            moment `xml:"checkpoint_completion_time"`
		} `xml:"sessions>session>pair"`
	} `xml:"geoRep>volume"`
}

func (a *geoRepAnswer) pairs() []GeoRepPair {
	var list []GeoRepPair
	for _, v := range a.Volumes {
		for _, x := range v.Pairs {
			list = append(list, GeoRepPair{
				Volume: v.Name, Node: x.Node, NodeUUID: x.NodeUUID, Brick: x.Brick, User: x.User,
				Secondary:     strings.TrimPrefix(x.Secondary, "ssh://"), // when asked for all sessions
				SecondaryNode: orEmpty(x.SecondaryNode), Status: x.Status, Crawl: orEmpty(x.Crawl),
				Entry: int(x.Entry), Data: int(x.Data), Meta: int(x.Meta), Failures: int(x.Failures),
				LastSynced: time.Time(x.LastSynced),
				Checkpoint: Checkpoint{time.Time(x.Set), x.Completed == "Yes", time.Time(x.At)},
			})
		}
	}
	return list
}

func orEmpty(s string) string {
	if s == "N/A" {
		return ""
	}
	return s
}

// moment is a time as gluster writes it with --xml: UTC (human_time_utc in
// gsyncdstatus.py). Without it is the time of the node's zone, as seen from 11.1.
type moment time.Time

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *moment) UnmarshalText(text []byte) error {
	if s := string(text); s == "" || s == "N/A" {
		*m = moment{}
		return nil
	}
	t, err := time.ParseInLocation(time.DateTime, string(text), time.UTC)
	*m = moment(t)
	return err
}

// GeoRepCreate makes a session, and leaves it to be started. Every node of the pool
// asks for the secondary's volume. With force a session that is there is made known to
// nodes that lack it. Nobody's keys are touched.
func (c Client) GeoRepCreate(ctx context.Context, volume, secondary string, port int, force bool) error {
	return c.geoRep(ctx, volume, secondary, force, "create", "ssh-port", strconv.Itoa(port), "no-verify")
}

// GeoRepSet sets an option of a session, on every node that is connected.
func (c Client) GeoRepSet(ctx context.Context, volume, secondary string, o Option) error {
	return c.geoRep(ctx, volume, secondary, false, "config", o.Name, o.Value)
}

// GeoRepStart starts a session. With force it starts what of it does not run, on any
// node, and disturbs nothing that does.
func (c Client) GeoRepStart(ctx context.Context, volume, secondary string, force bool) error {
	return c.geoRep(ctx, volume, secondary, force, "start")
}

// GeoRepStop stops a session, with force whether it runs or not.
func (c Client) GeoRepStop(ctx context.Context, volume, secondary string, force bool) error {
	return c.geoRep(ctx, volume, secondary, force, "stop")
}

func (c Client) geoRep(ctx context.Context, volume, secondary string, force bool, words ...string) error {
	if force {
		words = append(words, "force")
	}
	return c.ask(ctx, &reply{}, append([]string{"volume", "geo-replication", volume, secondary}, words...)...)
}
