package gluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// Heal is what there is to heal on each brick of a volume.
type Heal []BrickHeal

// BrickHeal is what one brick knows that others have yet to get from it.
type BrickHeal struct {
	Brick     string // host:/path
	HostUUID  string // "-" when it is not connected
	Connected bool
	Entries   int // files and folders; Unknown when it is not connected
	// The next three make up Entries. HealInfo leaves them Unknown.
	Pending, SplitBrain, Healing int
	Files                        []HealFile // HealInfo only
}

// HealFile is a file or folder that has to be healed.
type HealFile struct {
	GFID string
	Path string // below the volume's root; or <gfid:…>, where the path is not known
}

// Healed tells whether all bricks are there and none has anything for another.
// That is not to say that a brick holds all files: one that was emptied behind
// gluster's back has nothing to heal until ResetBrickCommit.
func (h Heal) Healed() bool {
	pending := func(b BrickHeal) bool { return !b.Connected || b.Entries != 0 }
	return len(h) > 0 && !slices.ContainsFunc(h, pending)
}

// HealSummary counts what there is to heal. The volume must be started, and of a
// type that holds copies.
func (c Client) HealSummary(ctx context.Context, volume string) (Heal, error) {
	return c.heal(ctx, volume, "info", "summary")
}

// HealInfo names what there is to heal, which after the loss of a brick is every
// file. It needs what HealSummary needs.
func (c Client) HealInfo(ctx context.Context, volume string) (Heal, error) {
	return c.heal(ctx, volume, "info")
}

func (c Client) heal(ctx context.Context, volume string, args ...string) (Heal, error) {
	var a healAnswer
	if err := c.ask(ctx, &a, append([]string{"volume", "heal", volume}, args...)...); err != nil {
		return nil, err
	}
	return a.heal(), nil
}

// Heal has the self-heal daemons bring about what there is to heal, and returns when
// they have begun. They do so by themselves every ten minutes.
func (c Client) Heal(ctx context.Context, volume string) error {
	return c.launch(ctx, c.command("volume", "heal", volume))
}

// HealFull has the self-heal daemons go through all files and returns when they
// have begun. It does not find what an emptied brick lacks when they begin with
// that brick: see ResetBrickCommit.
func (c Client) HealFull(ctx context.Context, volume string) error {
	return c.launch(ctx, c.command("volume", "heal", volume, "full"))
}

// launch runs a command that answers in plain text.
func (c Client) launch(ctx context.Context, cmd host.Cmd) error {
	res, err := c.Runner.Run(ctx, cmd)
	if err != nil {
		return refused(ctx, err)
	}
	if !strings.Contains(string(res.Stdout), "has been successful") {
		return fmt.Errorf("%s: it says neither that it has begun nor why it has not: %.200q", cmd, res.Stdout)
	}
	return nil
}

type healAnswer struct {
	reply
	Bricks []struct {
		HostUUID   string  `xml:"hostUuid,attr"`
		Name       string  `xml:"name"`
		Status     string  `xml:"status"`
		Entries    *number `xml:"numberOfEntries"`
		Total      *number `xml:"totalNumberOfEntries"`
		Pending    *number `xml:"numberOfEntriesInHealPending"`
		SplitBrain *number `xml:"numberOfEntriesInSplitBrain"`
		Healing    *number `xml:"numberOfEntriesPossiblyHealing"`
		Files      []struct {
			GFID string `xml:"gfid,attr"`
			Path string `xml:",chardata"`
		} `xml:"file"`
	} `xml:"healInfo>bricks>brick"`
}

func (a *healAnswer) heal() Heal {
	var h Heal
	for _, x := range a.Bricks {
		b := BrickHeal{
			Brick: x.Name, HostUUID: x.HostUUID, Connected: x.Status == "Connected",
			Entries: known(x.Total, x.Entries),
			Pending: known(x.Pending), SplitBrain: known(x.SplitBrain), Healing: known(x.Healing),
		}
		for _, f := range x.Files {
			b.Files = append(b.Files, HealFile(f))
		}
		h = append(h, b)
	}
	return h
}

// known is the first number that the answer has.
func known(numbers ...*number) int {
	for _, n := range numbers {
		if n != nil {
			return int(*n)
		}
	}
	return Unknown
}
