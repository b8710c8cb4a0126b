package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"

	"github.com/coreos/go-systemd/v22/unit"
)

// Mount mounts the volume where it is served from, and keeps it mounted.
//
// It needs the volume. It leaves a mount unit, which nobody but this step starts:
// systemd tries a mount once, and too early on a node that boots before the others.
// Every member is a source of the volume's layout, this node the first. The unit
// comes after glusterd and before Apache, and so goes after Apache and before
// glusterd when the machine is switched off.
//
// The bare mount point is immutable (chattr(1)), so that nothing is ever written
// under the mount onto the card: not while the volume is not mounted, and not by
// root. Where that cannot be had it is done without: on a filesystem that has no such
// attribute, and in a container that may not set it (CAP_LINUX_IMMUTABLE).
//
// A file in the volume, HealthFile, is read through the mount at every look. That
// proves the mount and the volume; a mount whose client has died or hangs is taken
// away and made anew. It is the same file on every node, made by whichever node first
// misses it. The volume of a remote node, which nobody may write to but geo-replication,
// has it when the copy does; there its absence proves as much.
type Mount struct{}

// HealthFile is the file that proves that the volume is readable, below the mount
// point, in a folder of ours.
const (
	healthDir  = ".berry"
	HealthFile = healthDir + "/health"
)

// Name implements Step.
func (Mount) Name() string { return "mount" }

// Look implements Step. It runs one command.
func (Mount) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := mountOf(h, f).differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It tries as long as it takes.
func (Mount) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return insist(ctx, h, say, mountOf(h, f).differences)
}

// mount does the work of the step.
type mount struct {
	h     *host.Host
	f     node.File
	point string
	unit  string
}

func mountOf(h *host.Host, f node.File) mount {
	return mount{h, f, f.Gluster.Mount, unit.UnitNamePathEscape(f.Gluster.Mount) + ".mount"}
}

// mountType is what the kernel calls a mounted volume.
const mountType = "fuse.glusterfs"

func (m mount) differences(ctx context.Context) ([]difference, error) {
	list, err := unitFile(m.h, unitDir+"/"+m.unit, m.unitText())
	if err != nil || len(list) > 0 {
		return list, err
	}
	at, mounted, err := m.h.MountAt(m.point)
	switch {
	case err != nil:
		return nil, err
	case !mounted:
		return m.unmounted(ctx)
	case at.Type != mountType:
		return nil, fmt.Errorf("%s has %s (%s) mounted, not volume %s; type: umount %s", m.point, at.Source, at.Type, m.f.Gluster.Volume, m.point)
	}
	return m.readable(ctx)
}

func (m mount) unitText() string {
	options := "nosuid,nodev,log-level=WARNING"
	var others []string
	for _, o := range m.f.Gluster.Members {
		if o.Name != m.f.Name {
			others = append(others, o.Name)
		}
	}
	if others != nil {
		options += ",backup-volfile-servers=" + strings.Join(others, ":")
	}
	return fmt.Sprintf(`%s
[Unit]
Description=Volume %s
# Not after network-online.target, as systemd would have it: an interface that no
# cable is in can hold that up for minutes, and glusterd runs already.
DefaultDependencies=no
Conflicts=umount.target
After=network.target glusterd.service
Before=umount.target apache2.service
# It is tried until it works.
StartLimitIntervalSec=0

[Mount]
What=localhost:/%[2]s
Where=%s
Type=glusterfs
Options=%s
TimeoutSec=60
`, oursMark, m.f.Gluster.Volume, m.point, options)
}

// unmounted is what to do while nothing is mounted.
func (m mount) unmounted(ctx context.Context) ([]difference, error) {
	list, err := m.bare(ctx)
	if err != nil || len(list) > 0 {
		return list, err
	}
	return []difference{{
		what:  "nothing is mounted at " + m.point,
		doing: "mounting volume " + m.f.Gluster.Volume,
		mend:  func(ctx context.Context) error { return later(m.h.Units.Start(ctx, m.unit)) },
	}}, nil
}

// mountAnswers is how long a file may take to be read: longer than everybody waits
// for a node that has just gone.
const mountAnswers = 40 * time.Second

// readable reads the health file through the mount. It does so with a program, which
// can be stopped where the mount hangs.
func (m mount) readable(ctx context.Context) ([]difference, error) {
	name := m.point + "/" + HealthFile
	res, err := timed{m.h.Runner, mountAnswers}.Run(ctx, host.Command("cat", name))
	said := ""
	if ce, failed := errors.AsType[*host.CommandError](err); failed {
		said = ce.Output
	}
	switch {
	case err == nil && string(res.Stdout) == m.health():
		return nil, nil
	case m.f.Secondary != nil && (err == nil || strings.Contains(said, "No such file or directory")):
		return nil, nil // it comes with the copy
	case err == nil, strings.Contains(said, "No such file or directory"):
		return []difference{{
			what:  name + " is not there, or not as it should be",
			doing: "writing " + name,
			mend:  func(context.Context) error { return later(m.writeHealth()) },
		}}, nil
	case errors.Is(err, errSlow), strings.Contains(said, "Transport endpoint is not connected"):
		return []difference{{
			what:  m.point + " does not answer",
			doing: "mounting volume " + m.f.Gluster.Volume + " anew",
			mend:  m.remount,
		}}, nil
	}
	return nil, fmt.Errorf("cannot read volume %s: %w", m.f.Gluster.Volume, err)
}

// health is the content of the health file, the same from every node.
func (m mount) health() string { return m.f.Cluster + " " + m.f.Gluster.Volume + "\n" }

// writeHealth may meet another node that does the same; the next look tells.
func (m mount) writeHealth() error {
	if err := m.h.Files.Mkdir(m.point+"/"+healthDir, 0o755); err != nil {
		return err
	}
	return m.h.Files.Replace(m.point+"/"+HealthFile, []byte(m.health()), 0o644)
}

// remount takes a mount away that does not answer, whoever uses it, and mounts anew.
// It is the same where too few bricks are online, which the client would get over by
// itself; but then the volume is of no use to anybody until it can be mounted again.
func (m mount) remount(ctx context.Context) error {
	if _, err := (timed{m.h.Runner, mountAnswers}).Run(ctx, host.Command("umount", "--lazy", m.point)); err != nil {
		return fmt.Errorf("cannot unmount %s: %w", m.point, err)
	}
	return later(m.h.Units.Restart(ctx, m.unit))
}
