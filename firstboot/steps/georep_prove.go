package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"
)

// How the session is watched.
const (
	proveEvery = 2 * time.Minute // how old a sentinel that has arrived gets in one session
	// standsStill is after how long without any sign that something moves a session is
	// started again that says that it sends what changes: what changed is collected for 15
	// seconds. One that says that it looks through all files, or through what it has missed,
	// may do so for a while before it sends anything.
	standsStill = 50 * time.Second
	looksOver   = 5 * time.Minute
	// luck is how many starts in a row may well end in a session that stands still. Each
	// one after that is given twice the time, so many times at most.
	luck      = 4
	doublings = 3
	// startsUp is how long a session takes until it says which volume it sends to.
	startsUp = time.Minute
	// monitorsStart is how long a node may say after a start that nothing was started there,
	// which now and then stays like this.
	monitorsStart = 25 * time.Second
	// clocksDiffer is how far the clocks of two storage nodes may be apart.
	clocksDiffer = 5 * time.Second
	// roomLeft is how little room counts as none.
	roomLeft = 32 << 20
)

// pendingError is that something is on its way, and nothing is to be done about it.
type pendingError struct{ error }

// pending tells, and says, what is waited for.
func (c copying) pending(n status.Copy, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	n.State = err.Error()
	return errors.Join(c.tell(n), &pendingError{err})
}

// tell leaves what is known for the status command.
func (c copying) tell(n status.Copy) error {
	n.Remote = c.g.Remote
	if n.Watcher == "" {
		n.Watcher = c.f.Name
	}
	return status.WriteCopy(c.h.Files, n)
}

// lead is what the node does that creates, starts and proves the session.
func (c copying) lead(ctx context.Context) ([]difference, error) {
	last, err := c.sentinel()
	if err != nil {
		return nil, err
	}
	known := status.Copy{Proven: last.Proven}
	if who := c.filling(); who != "" {
		return nil, c.pending(known, "the brick of %s is filled first", who)
	}
	proof, err := c.ask(ctx)
	if err != nil {
		return nil, c.pending(known, "%s does not answer, and gets what it misses when it does: %w", c.g.Remote, err)
	}
	made, err := c.made()
	if err != nil {
		return nil, err
	}
	if !made {
		return []difference{{
			what: "there is no session to " + c.g.Remote, doing: "creating the session to " + c.g.Remote,
			mend: c.create,
		}}, nil
	}
	pairs, err := calmly(ctx, c.h, func() ([]gluster.GeoRepPair, error) { return c.gluster.GeoRepStatus(ctx, c.volume, c.session) })
	if err != nil {
		return nil, fmt.Errorf("cannot look at the session to %s: %w", c.g.Remote, err)
	}
	if list := c.unknown(pairs); len(list) > 0 {
		return list, nil
	}
	list, err := c.prove(ctx, last, proof, pairs)
	if _, waits := errors.AsType[*pendingError](err); len(list) == 0 && (err == nil || waits) {
		if ended := c.ended(pairs); len(ended) > 0 {
			return ended, nil
		}
	}
	return list, err
}

// watched is what a node tells that does not prove the copy itself.
func (c copying) watched(by string) error {
	last, err := c.sentinel()
	if err != nil {
		return err
	}
	return c.tell(status.Copy{Watcher: by, Proven: last.Proven})
}

// filling names a member whose brick has lost its content, and takes no part yet.
func (c copying) filling() string {
	if BrickState(c.h.Files) != "" {
		return c.f.Name
	}
	for _, p := range c.others.Peers() {
		if p.State.Brick != "" && len(p.Addresses) > 0 {
			return p.Name
		}
	}
	return ""
}

// proofAnswers is how long the remote may take for an answer.
const proofAnswers = 30 * time.Second

// ask asks the remote what it has. Nobody else has its host key.
func (c copying) ask(ctx context.Context) (georep.Proof, error) {
	cmd := host.Command("ssh", "-F", geoDir+"/session", "-p", fmt.Sprint(c.g.Port), c.g.User+"@"+c.g.Remote, georep.ProveCommand)
	res, err := timed{c.h.Runner, proofAnswers}.Run(ctx, cmd)
	if err != nil {
		return georep.Proof{}, err
	}
	return georep.ParseProof(res.Stdout)
}

// made looks into glusterd's own record of the volume: its answer for a session that
// there is not is the same as for many other failures.
func (c copying) made() (bool, error) {
	text, err := c.h.Files.Read(volumesDir + "/" + c.volume + "/info")
	return strings.Contains(string(text), "ssh://"+c.session+":"), err
}

// create makes the session, or makes it known to nodes that lack it, and sets it up.
func (c copying) create(ctx context.Context) error {
	force := c.h.Files.Exists(c.sessionDir())
	if err := c.act(ctx, func() error { return c.gluster.GeoRepCreate(ctx, c.volume, c.session, c.g.Port, force) }); err != nil {
		return fmt.Errorf("cannot create the session to %s: %w", c.g.Remote, err)
	}
	for _, o := range c.options() {
		if err := c.act(ctx, func() error { return c.gluster.GeoRepSet(ctx, c.volume, c.session, o) }); err != nil {
			return fmt.Errorf("cannot set up the session to %s: %w", c.g.Remote, err)
		}
	}
	return c.start(ctx)
}

// start starts what does not run. What is written then tells whether it does.
func (c copying) start(ctx context.Context) error {
	seen := c.progress()
	seen.Started = c.h.Clock.Now()
	if err := c.keep(seen); err != nil {
		return err
	}
	if err := c.act(ctx, func() error { return c.gluster.GeoRepStart(ctx, c.volume, c.session, true) }); err != nil {
		return fmt.Errorf("cannot start the session to %s: %w", c.g.Remote, err)
	}
	return c.write(ctx)
}

// restart has every node begin anew: with the volume that the remote has now, and from
// what is known to have arrived in it.
func (c copying) restart(ctx context.Context) error {
	seen := c.progress()
	seen.Since, seen.Tries = c.h.Clock.Now(), seen.Tries+1
	if err := c.keep(seen); err != nil {
		return err
	}
	if err := c.act(ctx, func() error { return c.gluster.GeoRepStop(ctx, c.volume, c.session, true) }); err != nil {
		return fmt.Errorf("cannot stop the session to %s: %w", c.g.Remote, err)
	}
	return c.start(ctx)
}

func (c copying) act(ctx context.Context, do func() error) error {
	_, err := calmly(ctx, c.h, func() (struct{}, error) { return struct{}{}, do() })
	return err
}

// unknown is what to do for members that answer, and do not know the session: those with
// a new card.
func (c copying) unknown(pairs []gluster.GeoRepPair) []difference {
	known := map[string]bool{}
	for _, p := range pairs {
		known[p.Node] = true
	}
	var lack []string
	for _, m := range c.f.Gluster.Members {
		answers := slices.ContainsFunc(c.others.Peers(), func(p peers.Peer) bool { return p.Name == m.Name && len(p.Addresses) > 0 && p.State.Ready })
		if (answers || m.Name == c.f.Name) && !known[m.Name] {
			lack = append(lack, m.Name)
		}
	}
	if lack == nil {
		return nil
	}
	return []difference{{
		what:  "the session is not known on " + strings.Join(lack, ", "),
		doing: "making the session known on " + strings.Join(lack, ", "),
		mend:  c.create,
	}}
}

// ended is what to do for nodes on which gsyncd's monitor has ended, or was never started.
// Faulty is none of it: there the monitor tries again by itself.
func (c copying) ended(pairs []gluster.GeoRepPair) []difference {
	var where []string
	for _, p := range pairs {
		if slices.Contains([]string{"Created", "Stopped", "inconsistent"}, p.Status) {
			where = append(where, p.Node)
		}
	}
	if where == nil || c.startedWithin(monitorsStart) {
		return nil
	}
	return []difference{{
		what:  "geo-replication does not run on " + strings.Join(where, ", "),
		doing: "starting geo-replication on " + strings.Join(where, ", "),
		mend:  c.start,
	}}
}

// prove compares what was written last with what has arrived.
func (c copying) prove(ctx context.Context, last georep.Sentinel, proof georep.Proof, pairs []gluster.GeoRepPair) ([]difference, error) {
	now := c.h.Clock.Now()
	known := status.Copy{Proven: last.Proven, State: activity(pairs)}
	seen := c.progress()
	if seen.moved(last, proof, pairs) {
		seen.Since = now
		if err := c.keep(seen); err != nil {
			return nil, err
		}
	}
	still := now.Sub(seen.Since)
	arrived := !last.Written.IsZero() && proof.Sentinel.Written.Equal(last.Written) && c.sent(last, pairs)
	if arrived {
		known.Proven = last.Written
	}
	again := difference{doing: "starting geo-replication again", mend: c.restart}
	switch {
	case c.sendsTo() != proof.Volume && c.startedWithin(startsUp):
		return nil, c.pending(known, "geo-replication starts up")
	case c.sendsTo() != proof.Volume:
		again.what = fmt.Sprintf("the volume of %s is another than the one that the session is for", c.g.Remote)
		return []difference{again}, c.tell(known)
	case arrived:
		return c.arrived(ctx, known, last, proof, seen)
	case last.Written.IsZero():
		return nil, errors.Join(c.write(ctx), c.pending(known, "the first file is on its way to %s", c.g.Remote))
	case proof.Free < roomLeft:
		return nil, c.pending(known, "%s has no room left: %d MiB; delete files here, or give it a larger card", c.g.Remote, proof.Free>>20)
	case still >= allowed(pairs, seen.Tries):
		again.what = fmt.Sprintf("nothing has moved to %s for %v, whatever gluster says", c.g.Remote, still.Round(time.Second))
		return []difference{again}, c.tell(known)
	case !last.Proven.IsZero() && proof.Whole && now.Sub(last.Written) < standsStill:
		return nil, c.tell(known)
	}
	return nil, c.pending(known, "what was written at %s has not arrived at %s yet: %s",
		last.Written.Local().Format(time.TimeOnly), c.g.Remote, activity(pairs))
}

// allowed is for how long nothing may move, after so many starts that have not helped.
func allowed(pairs []gluster.GeoRepPair, tries int) time.Duration {
	limit := standsStill
	for _, p := range pairs {
		if p.Status == "Active" && p.Crawl != "Changelog Crawl" {
			limit = looksOver
		}
	}
	return limit << min(max(tries-luck, 0), doublings)
}

// arrived is what follows a proof.
func (c copying) arrived(ctx context.Context, known status.Copy, last georep.Sentinel, proof georep.Proof, seen progress) ([]difference, error) {
	if seen.Tries > 0 {
		seen.Tries = 0
		if err := c.keep(seen); err != nil {
			return nil, err
		}
	}
	mark := c.f.Gluster.Mount + "/" + georep.WholeFile(proof.Volume)
	switch {
	case !c.h.Files.Exists(mark):
		return []difference{{
			what:  fmt.Sprintf("%s has all files, and does not know that they are all", c.g.Remote),
			doing: "telling " + c.g.Remote + " that its copy is whole",
			mend:  func(ctx context.Context) error { return c.markWhole(ctx, mark) },
		}}, c.tell(known)
	case !proof.Whole && c.h.Clock.Now().Sub(last.Written) < proveEvery:
		return nil, c.pending(known, "%s is about to hear that its copy is whole", c.g.Remote)
	}
	if c.h.Clock.Now().Sub(last.Written) >= proveEvery || c.startedSince(last.Written) {
		if err := c.write(ctx); err != nil {
			return nil, err
		}
	}
	if !proof.Whole {
		return nil, c.pending(known, "%s has not heard yet that its copy is whole", c.g.Remote)
	}
	return nil, c.tell(known)
}

// markWhole writes that the copy is whole, where it reaches that copy and no other.
func (c copying) markWhole(ctx context.Context, mark string) error {
	dir := path.Dir(mark)
	names, err := c.h.Files.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if georep.IsWholeFile(name) {
			if err := c.h.Files.Remove(dir + "/" + name); err != nil {
				return err
			}
		}
	}
	if err := c.h.Files.Replace(mark, nil, 0o644); err != nil {
		return err
	}
	return c.write(ctx)
}

// sentinel reads the last one.
func (c copying) sentinel() (georep.Sentinel, error) {
	text, err := c.h.Files.Read(c.f.Gluster.Mount + "/" + georep.SentinelFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return georep.Sentinel{}, err
	}
	return georep.ParseSentinel(text), nil
}

// write writes the next sentinel. It takes over what the last one proved, and that it
// has arrived itself where that is known. Its folder is touched as well: every set of
// bricks has that, and so has something to send.
func (c copying) write(ctx context.Context) error {
	last, err := c.sentinel()
	if err != nil {
		return err
	}
	next := georep.Sentinel{Written: c.h.Clock.Now().UTC(), By: c.f.Name, Proven: last.Proven}
	if n, err := status.ReadCopy(c.h.Files); err == nil && n != nil && n.Proven.After(next.Proven) {
		next.Proven = n.Proven
	}
	file := c.f.Gluster.Mount + "/" + georep.SentinelFile
	if err := c.h.Files.Mkdir(path.Dir(file), 0o755); err != nil {
		return err
	}
	if err := c.h.Files.Replace(file, next.Text(), 0o644); err != nil {
		return err
	}
	_, err = timed{c.h.Runner, mountAnswers}.Run(ctx, host.Command("touch", "-c", path.Dir(file)))
	return err
}

// sent tells whether one brick of every set has sent what was written before a sentinel,
// by gluster's own account.
func (c copying) sent(last georep.Sentinel, pairs []gluster.GeoRepPair) bool {
	const copies = 3
	has := map[int]bool{}
	for _, p := range pairs {
		i := slices.IndexFunc(c.f.Gluster.Members, func(m node.Member) bool { return m.Name == p.Node })
		if p.Status == "Active" && i >= 0 && !p.LastSynced.Before(last.Written.Add(-clocksDiffer)) {
			has[i/copies] = true
		}
	}
	return len(has) == (len(c.f.Gluster.Members)+copies-1)/copies
}

// sendsTo is the id of the volume that the session sends to, as gsyncd on this node has
// found it when it started; "" before.
func (c copying) sendsTo() string {
	text, err := c.h.Files.Read(c.sessionConf())
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(name) == "stime-xattr-prefix" {
			return strings.TrimSpace(value[strings.LastIndexByte(value, '.')+1:])
		}
	}
	return ""
}

// activity says what gluster says.
func activity(pairs []gluster.GeoRepPair) string {
	var active, other []string
	left := 0
	for _, p := range pairs {
		switch p.Status {
		case "Active":
			active = append(active, p.Node)
			left += max(p.Entry, 0) + max(p.Data, 0) + max(p.Meta, 0)
		case "Passive":
		default:
			other = append(other, strings.ToLower(strings.Trim(p.Status, ". "))+" on "+p.Node)
		}
	}
	words := "active nowhere"
	if active != nil {
		words = fmt.Sprintf("active on %s, %d changes to send", strings.Join(active, ", "), left)
	}
	return strings.Join(append([]string{words}, other...), ", ")
}

// progress is since when nothing has moved, as this node has seen it. It is in memory.
type progress struct {
	Seen  string    `json:"seen"` // what there was to be seen
	Since time.Time `json:"since"`
	Tries int       `json:"tries"` // starts that have not helped
	// Started is when something was started last.
	Started time.Time `json:"started"`
}

const progressPath = "/run/berry/copy-progress.json"

func (c copying) progress() progress {
	var p progress
	if text, err := c.h.Files.Read(progressPath); err == nil && json.Unmarshal(text, &p) != nil {
		return progress{}
	}
	return p
}

func (c copying) keep(p progress) error {
	text, err := json.Marshal(p)
	if err == nil {
		err = c.h.Files.Mkdir(path.Dir(progressPath), 0o755)
	}
	if err != nil {
		return err
	}
	return c.h.Files.Replace(progressPath, text, 0o644)
}

// startedWithin tells whether something was started so lately.
func (c copying) startedWithin(d time.Duration) bool {
	return c.h.Clock.Now().Sub(c.progress().Started) < d
}

// startedSince tells whether the session was started after that time, by whomever: gsyncd
// on this node leaves a word of it then. What arrived before proves nothing of it.
func (c copying) startedSince(t time.Time) bool {
	info, err := c.h.Files.Stat(c.sessionDir() + "/monitor.status")
	return err == nil && info.ModTime().After(t)
}

// moved takes note of what is to be seen, and tells whether it is new.
func (p *progress) moved(last georep.Sentinel, proof georep.Proof, pairs []gluster.GeoRepPair) bool {
	seen := fmt.Sprint(proof.Volume, proof.Sentinel.Written, proof.Used, proof.Files, last.Written.Equal(proof.Sentinel.Written))
	for _, pair := range pairs {
		if pair.Status == "Active" {
			seen += fmt.Sprint(" ", pair.Node, pair.LastSynced, pair.Entry, pair.Data, pair.Meta)
		}
	}
	new := seen != p.Seen
	p.Seen = seen
	return new
}
