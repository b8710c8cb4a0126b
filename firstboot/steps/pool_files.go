package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Files of glusterd's that the step looks at.
const (
	glusterdDropIn = unitDir + "/glusterd.service.d/berry.conf"
	glusterdConf   = "/etc/glusterfs/glusterd.vol"
	volumesDir     = "/var/lib/glusterd/vols" // a folder for each volume
)

// glusterdUnit is what Debian's unit of glusterd lacks.
func glusterdUnit(f node.File) string {
	path := ""
	if f.GeoRep != nil {
		path = "\n# Its question for the remote's volume goes over SSH (see GeoRep).\n" +
			"Environment=PATH=" + geoBinDir + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	}
	return fmt.Sprintf(`%s
[Unit]
# Without the filesystem of its brick there is nothing that it could serve.
RequiresMountsFor=%s
# Debian's unit gives up for an hour after six starts.
StartLimitIntervalSec=0

[Service]
Restart=always
RestartSec=5
# Debian's unit stops a glusterd that has not started after five minutes. It may be
# on its way, on a small board that is busy.
TimeoutStartSec=20min
# A glusterd that waits for a node that has gone does not end when it is told to,
# and Debian's unit gives it five minutes.
TimeoutStopSec=15%s
`, oursMark, f.Brick.Mount, path)
}

// quickStart is a file that has glusterd start sooner. Where gsyncd is another, or there is
// none, or a Python of the owner's, glusterd does without.
func quickStart(h *host.Host) ([]difference, error) {
	idle, err := gsyncdHas(h, "argsupgrade.py", gluster.QuickWhere)
	if err != nil || !idle {
		return nil, err
	}
	python, _, err := pythonOf(h)
	if err != nil {
		return nil, nil
	}
	return placed{python + "/berry-glusterd.pth", gluster.QuickStart, 0o644}.differences(h)
}

// oursMark begins every file that belongs to us as a whole.
const oursMark = "# Written by berry-firstboot, which takes changes back."

// unitFile compares a file of systemd's with what it should be.
func unitFile(h *host.Host, name, text string) ([]difference, error) {
	list, err := file(h, name, func(string) string { return text })
	for i, d := range list {
		list[i].mend = func(ctx context.Context) error {
			if err := h.Files.Mkdir(path.Dir(name), 0o755); err != nil {
				return err
			}
			if err := d.mend(ctx); err != nil {
				return err
			}
			return h.Units.Reload(ctx)
		}
	}
	return list, err
}

// glusterdOptions are those that differ from the packaged ones.
var glusterdOptions = []gluster.Option{
	// As packaged, 0, glusterds do not ping each other: one that has lost its power
	// counts as connected, and commands wait for it for minutes.
	{Name: "ping-timeout", Value: "10"},
	// Bricks get their ports from 49152 on. A node has one or two of them, and a
	// firewall is to know which ports; as packaged there are 11 848.
	{Name: "max-port", Value: "49160"},
}

// options compares the configuration file that the package brings with the options
// that we set in it. The rest of it is the owner's.
func (p pool) options() ([]difference, error) {
	if _, err := p.h.Files.Stat(glusterdConf); err != nil {
		return nil, fmt.Errorf("%w; type: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss glusterfs-server", err)
	}
	list, err := file(p.h, glusterdConf, func(text string) string {
		for _, o := range glusterdOptions {
			text = withOption(text, o)
		}
		return text
	})
	for i, d := range list {
		list[i].mend = func(ctx context.Context) error {
			// What runs has read the old file. Here it is stopped, below it is started.
			if err := p.h.Units.Stop(ctx, glusterd); err != nil {
				return err
			}
			return d.mend(ctx)
		}
	}
	return list, err
}

// withOption returns a volfile of one volume with the option in it exactly once.
func withOption(text string, o gluster.Option) string {
	line := fmt.Sprintf("    option %s %s", o.Name, o.Value)
	sets := func(line string) bool {
		w := strings.Fields(line)
		return len(w) > 1 && w[0] == "option" && w[1] == o.Name
	}
	lines := slices.Collect(strings.Lines(text))
	if slices.ContainsFunc(lines, sets) {
		return withLine(text, line, sets)
	}
	if end := slices.IndexFunc(lines, func(l string) bool { return strings.TrimSpace(l) == "end-volume" }); end >= 0 {
		lines = slices.Insert(lines, end, line+"\n")
	}
	return strings.Join(lines, "")
}

// seeds looks for the files that make glusterd a member of the pool. glusterd writes
// them anew and adds to them; what counts is who they are about.
func (p pool) seeds(release gluster.Version) ([]difference, error) {
	files, err := gluster.Seeds(p.f.Name, p.f.Gluster.Members, release)
	if err != nil {
		return nil, err
	}
	var missing []gluster.File
	for _, f := range files {
		there, err := p.planted(f)
		if err != nil {
			return nil, err
		}
		if !there {
			missing = append(missing, f)
		}
	}
	if missing == nil {
		return nil, nil
	}
	return []difference{{
		what:  fmt.Sprintf("glusterd lacks %d of the %d files that make it a member of the pool", len(missing), len(files)),
		doing: "making this node a member of the pool",
		mend:  func(ctx context.Context) error { return p.plant(ctx, missing) },
	}}, nil
}

// planted tells whether a file says of whom it is about what the seed says. One that
// cannot be read as such, after a cut or on a card that loses sectors, does not.
func (p pool) planted(seed gluster.File) (bool, error) {
	data, err := p.h.Files.Read(seed.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case seed.Path == gluster.SecurePath:
		return true, nil
	case seed.Path != gluster.InfoPath:
		is, err := gluster.ParsePeerFile(string(data))
		return err == nil && is.Path() == seed.Path, nil
	}
	is, err := gluster.ParseInfo(string(data))
	want, _ := gluster.ParseInfo(seed.Text)
	if err != nil || is.UUID == want.UUID {
		return err == nil, nil
	}
	if volumes, _ := p.h.Files.List(volumesDir); len(volumes) > 0 {
		return false, fmt.Errorf("glusterd has the UUID %s and the volume %s here, but this image is for %s; flash the card again",
			is.UUID, volumes[0], want.UUID)
	}
	return false, nil
}

// plant writes files while glusterd, which keeps in memory what they say, is not
// there to write them too.
func (p pool) plant(ctx context.Context, files []gluster.File) error {
	if err := p.h.Units.Stop(ctx, glusterd); err != nil {
		return err
	}
	if err := p.h.Files.Mkdir(gluster.PeersDir, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		if err := p.h.Files.Replace(f.Path, []byte(f.Text), gluster.SeedMode); err != nil {
			return err
		}
	}
	return nil
}
