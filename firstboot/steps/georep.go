package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// GeoRep keeps a copy of the volume at the remote node, and proves that it is one.
//
// Every storage node gets its keys and the remote's host keys, which no other host is
// taken for; what its gsyncd lacks (georep.Shim); and a glusterd that asks the remote's for
// its volume over SSH too, so that nothing but sshd needs to be reached there. The first
// node by name that answers creates the session, starts it, and proves it; the others hold
// when their own files are there.
//
// A session that says Active may stand still (without the shim after 4 of 7 starts of
// GlusterFS 10.3, and 3 of 8 of 11.1), and gsyncd's monitor on a node ends when its first
// SSH fails. So nothing of what gluster says counts: a file is written into the volume, the
// remote is asked which one it has, and every set of bricks must have sent what came before
// it. Where nothing moves for a while the session is started again, and what has ended on a
// node is.
//
// Files are sent with tar. rsync is what gluster would take, but gsyncd's own guard of it
// refuses since OpenSSH 9.8 has another name for its processes, and rsync 3.5 sends
// nothing and says that it has.
//
// Looking writes a file of some bytes every two minutes: nothing else shows that files
// arrive. The step never waits for long, since it is spared: no other one needs it.
type GeoRep struct{ Others Others }

// Name implements Step.
func (GeoRep) Name() string { return "georep" }

// Spared implements Spared.
func (GeoRep) Spared() {}

// Again implements Impatient: what stands still is to be noticed.
func (GeoRep) Again() time.Duration { return 30 * time.Second }

// Look implements Step. It fails while what was written is still on its way.
func (s GeoRep) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := s.at(h, f).differences(ctx)
	return stateOf(list), err
}

// arrives is how long Act waits for a proof. What changes arrives in half a minute.
const arrives = 80 * time.Second

// Act implements Step.
func (s GeoRep) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	end := h.Clock.Now().Add(arrives)
	look := s.at(h, f).differences
	for {
		err := mendAll(ctx, say, func() ([]difference, error) { return look(ctx) })
		pending, ok := errors.AsType[*pendingError](err)
		if !ok || h.Clock.Now().After(end) {
			return err
		}
		say(pending.Error())
		if err := h.Clock.Sleep(ctx, lookEvery); err != nil {
			return err
		}
	}
}

func (s GeoRep) at(h *host.Host, f node.File) copying {
	g := *f.GeoRep
	return copying{h, f, g, f.Gluster.Volume, sessionOf(f), s.Others, glusterOf(h, glusterActs)}
}

// copying does the work of the step.
type copying struct {
	h       *host.Host
	f       node.File
	g       node.GeoRep
	volume  string
	session string // as gluster names it
	others  Others
	gluster gluster.Client
}

// sessionOf is what gluster calls the session.
func sessionOf(f node.File) string {
	return f.GeoRep.User + "@" + f.GeoRep.Remote + "::" + f.Gluster.Volume
}

// Where the files of the step lie.
const (
	geoDir    = "/etc/berry/georep"
	geoBinDir = "/usr/lib/berry/georep" // in glusterd's PATH, see glusterdUnit
)

func (c copying) differences(ctx context.Context) ([]difference, error) {
	list, err := c.local()
	if err != nil || len(list) > 0 {
		return list, err
	}
	if first := c.first(); first != c.f.Name {
		return nil, c.watched(first)
	}
	return c.lead(ctx)
}

// first is the first storage node by name that answers.
func (c copying) first() string {
	alive := []string{c.f.Name}
	for _, p := range c.others.Peers() {
		if len(p.Addresses) > 0 && slices.ContainsFunc(c.f.Gluster.Members, func(m node.Member) bool { return m.Name == p.Name }) {
			alive = append(alive, p.Name)
		}
	}
	return slices.Min(alive)
}

// local looks for what this node needs to take part.
func (c copying) local() ([]difference, error) {
	shim, err := c.shim()
	if err != nil {
		return nil, err
	}
	files := []placed{
		{geoDir + "/session.key", c.g.Key, node.Mode},
		{geoDir + "/tar.key", c.g.TarKey, node.Mode},
		{geoDir + "/known_hosts", c.knownHosts(), 0o644},
		{geoDir + "/session", c.sshConfig("session"), 0o644},
		{geoDir + "/tar", c.sshConfig("tar"), 0o644},
		{geoBinDir + "/gluster", c.glusterd(), 0o755},
	}
	var list []difference
	for _, p := range append(files, shim...) {
		some, err := p.differences(c.h)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	if !c.h.Files.Exists(c.sessionConf()) {
		return list, nil
	}
	some, err := file(c.h, c.sessionConf(), func(text string) string { return withVars(text, c.options()) })
	return append(list, some...), err
}

// placed is a file of ours as a whole.
type placed struct {
	name, text string
	mode       fs.FileMode
}

func (p placed) differences(h *host.Host) ([]difference, error) {
	data, err := h.Files.Read(p.name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && string(data) == p.text {
		info, err := h.Files.Stat(p.name)
		if err != nil || info.Mode().Perm() == p.mode {
			return nil, err
		}
	}
	return []difference{{
		what:  p.name + " is not as this node needs it",
		doing: "writing " + p.name,
		mend: func(context.Context) error {
			if err := h.Files.Mkdir(p.name[:strings.LastIndexByte(p.name, '/')], 0o755); err != nil {
				return err
			}
			return h.Files.Replace(p.name, []byte(p.text), p.mode)
		},
	}}, nil
}

func (c copying) knownHosts() string {
	var b strings.Builder
	for _, key := range c.g.HostKeys {
		fmt.Fprintf(&b, "%s %s\n", c.g.Remote, key)
	}
	return b.String()
}

// sshConfig is for one of the two keys. An SSH that gets no answer ends after half a
// minute; by itself it would take some more than two.
func (c copying) sshConfig(key string) string {
	where := ""
	if c.g.Host != "" {
		where = "\tHostName " + c.g.Host + "\n"
	}
	return fmt.Sprintf(`%s
Host *
%s	HostKeyAlias %s
	UserKnownHostsFile %s/known_hosts
	GlobalKnownHostsFile /dev/null
	StrictHostKeyChecking yes
	UpdateHostKeys no
	IdentityFile %[4]s/%[5]s.key
	IdentitiesOnly yes
	PreferredAuthentications publickey
	BatchMode yes
	ConnectTimeout 10
	ServerAliveInterval 10
	ServerAliveCountMax 3
`, oursMark, where, c.g.Remote, geoDir, key)
}

// glusterd is what glusterd's helpers have for a gluster: the question for the remote's
// volume goes over SSH.
func (c copying) glusterd() string {
	return fmt.Sprintf(`#!/bin/sh
%s
for word; do
	[ "$word" = --remote-host=%s ] &&
		exec ssh -F %s/session -p %d %s@%s %s --xml --remote-host=localhost volume info %s
done
exec %[7]s "$@"
`, oursMark, c.g.Remote, geoDir, c.g.Port, c.g.User, c.g.Remote, georep.Gluster, c.volume)
}

// shim is what gives gsyncd what it lacks, where it does: Python has ConfigParser.readfp no
// more and gsyncd calls for it, or gsyncd waits to be told of changes (10.3 and 11.1, see
// georep.Shim). An upgrade of either brings no other.
func (c copying) shim() ([]placed, error) {
	python, minor, err := pythonOf(c.h)
	if err != nil {
		return nil, err
	}
	reads, err := gsyncdHas(c.h, "gsyncdconfig.py", ".readfp(")
	if err != nil {
		return nil, err
	}
	waits, err := gsyncdHas(c.h, "primary.py", "libgfchangelog.getchanges()")
	if err != nil || !waits && (minor < 12 || !reads) {
		return nil, err
	}
	return []placed{
		{python + "/berry_gsyncd.py", georep.Shim, 0o644},
		{python + "/berry-gsyncd.pth", georep.ShimPath, 0o644},
	}, nil
}

// pythonOf is the folder where Debian's Python looks for modules that no package has, and
// which 3 it is.
func pythonOf(h *host.Host) (dir string, minor int, err error) {
	python, err := h.Files.Target("/usr/bin/python3")
	if err != nil {
		return "", 0, err
	}
	if _, err := fmt.Sscanf(python, "python3.%d", &minor); err != nil {
		return "", 0, fmt.Errorf("/usr/bin/python3 leads to %q, which tells no version", python)
	}
	return "/usr/local/lib/" + python + "/dist-packages", minor, nil
}

// gsyncdHas tells whether those words are in a file of gsyncd's.
func gsyncdHas(h *host.Host, file, words string) (bool, error) {
	dirs, err := h.Files.List("/usr/lib")
	return slices.ContainsFunc(dirs, func(dir string) bool {
		text, err := h.Files.Read("/usr/lib/" + dir + "/glusterfs/python/syncdaemon/" + file)
		return err == nil && strings.Contains(string(text), words)
	}), err
}

// sessionDir is where glusterd keeps the session.
func (c copying) sessionDir() string {
	return georep.SessionDir(c.volume, c.g.Remote)
}

func (c copying) sessionConf() string { return c.sessionDir() + "/gsyncd.conf" }

// options are those of the session that differ from gsyncd's own.
func (c copying) options() []gluster.Option {
	list := []gluster.Option{
		{Name: "sync-method", Value: "tarssh"},
		{Name: "ssh-options", Value: "-F " + geoDir + "/session"},
		{Name: "ssh-options-tar", Value: "-F " + geoDir + "/tar"},
	}
	if c.g.Port != sshPort {
		list = append(list, gluster.Option{Name: "ssh-port", Value: fmt.Sprint(c.g.Port)})
	}
	return list
}

// withVars is gsyncd's configuration with those options, which stand in one section. The
// rest of it is gsyncd's.
func withVars(text string, options []gluster.Option) string {
	if !strings.Contains(text, "[vars]\n") {
		text += "[vars]\n"
	}
	for _, o := range options {
		line := o.Name + " = " + o.Value
		sets := func(line string) bool {
			name, _, found := strings.Cut(line, "=")
			return found && strings.TrimSpace(name) == o.Name
		}
		if slices.ContainsFunc(slices.Collect(strings.Lines(text)), sets) {
			text = withLine(text, line, sets)
		} else {
			text = strings.Replace(text, "[vars]\n", "[vars]\n"+line+"\n", 1)
		}
	}
	return text
}

// plantSession gives a glusterd that has lost it what it keeps of the session, before it
// starts: without that no brick is put into the volume. Nor is one without what gsyncd
// needs here: glusterd asks it where the session's files are, and takes a gsyncd that does
// not start for a session without any ("pid-file entry mising", seen on 11.1). It is no harm
// where there is no session.
func (v volume) plantSession(ctx context.Context) error {
	c := GeoRep{v.others}.at(v.h, v.f)
	if made, err := c.made(); !made || err != nil {
		return err
	}
	if err := v.h.Files.Mkdir(c.sessionDir(), 0o755); err != nil {
		return err
	}
	if err := v.h.Files.Edit(c.sessionConf(), 0o644, func(text string) string { return withVars(text, c.options()) }); err != nil {
		return err
	}
	return mendAll(ctx, v.say, c.local)
}
