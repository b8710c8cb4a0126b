package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// Start switches a node on, and returns when its systemd answers; WaitReady waits
// for the rest. A node that has no card yet gets one, flashed with its image.
func (l *Lab) Start(ctx context.Context, name string) error {
	n, err := l.load(name)
	if err != nil {
		return err
	}
	if err := l.claim(ctx, name); err != nil {
		return err
	}
	if err := l.start(ctx, n); err != nil {
		return errors.Join(fmt.Errorf("cannot start %s: %w", name, err), l.Cut(context.WithoutCancel(ctx), name))
	}
	return nil
}

// claim makes the node's group. What a node that has gone off by itself has left is
// put away before.
func (l *Lab) claim(ctx context.Context, name string) error {
	g := l.nodeGroup(name)
	if err := g.make(); !errors.Is(err, fs.ErrExist) {
		return err
	}
	err := until(ctx, func() (bool, error) { // systemd-nspawn ends after its systemd
		_, running, err := l.Leader(name)
		if err == nil && running {
			err = fmt.Errorf("%s is on already", name)
		}
		if err != nil {
			return false, err
		}
		pids, err := g.processes()
		return len(pids) == 0, err
	})
	if err != nil {
		return err
	}
	if err := l.Cut(ctx, name); err != nil {
		return err
	}
	return g.make()
}

func (l *Lab) start(ctx context.Context, n record) error {
	if err := l.flash(ctx, n); err != nil {
		return err
	}
	s, err := l.Status(n.Name)
	if err != nil {
		return err
	}
	n.Starts = s.Starts
	if err := l.save(n); err != nil {
		return err
	}
	if err := l.connect(ctx, n); err != nil {
		return err
	}
	ended, err := l.boot(ctx, n)
	if err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		leader, _, err := l.Leader(n.Name)
		if err != nil {
			return false, err
		}
		if _, err := os.Stat(fmt.Sprintf(answers, leader)); err == nil {
			return true, nil
		}
		select {
		case <-ended:
			return false, fmt.Errorf("systemd-nspawn has ended:\n%s", l.lastLines(n.Name))
		default:
			return false, nil
		}
	})
}

// answers is where a node's systemd listens to systemctl, once it does.
const answers = "/proc/%d/root/run/systemd/private"

// Cut cuts a node's power: its link goes down, then all of its processes are killed
// at once. It does nothing to a node that is off.
func (l *Lab) Cut(ctx context.Context, name string) error {
	n, err := l.load(name)
	if err != nil {
		return err
	}
	// Nobody may hear a word of the dying.
	if _, err := os.Stat(l.namespaceFile(name)); err == nil {
		l.ip(ctx, n.site().name, "link", "set", n.port(), "down") // fails where Start has not come to it
	}
	if err := l.nodeGroup(name).kill(ctx); err != nil {
		return err
	}
	return l.off(ctx, n)
}

// powerOff has systemd start poweroff.target: SIGRTMIN+4 (systemd(1)), counted as the
// C library does.
const powerOff = unix.Signal(34 + 4)

// Stop shuts a node down, as its power button would. A node that does not go off by
// the end of ctx is left as it is.
func (l *Lab) Stop(ctx context.Context, name string) error {
	n, err := l.load(name)
	if err != nil {
		return err
	}
	leader, running, err := l.Leader(name)
	if err != nil || !running {
		return err
	}
	if err := unix.Kill(leader, powerOff); err != nil {
		return fmt.Errorf("cannot shut %s down: %w", name, err)
	}
	for {
		if pids, err := l.nodeGroup(name).processes(); err != nil || len(pids) == 0 {
			return errors.Join(err, l.nodeGroup(name).remove(ctx), l.off(ctx, n))
		}
		if err := (host.Wall{}).Sleep(ctx, pause); err != nil {
			return fmt.Errorf("%s has not shut down: %w", name, err)
		}
	}
}

// off puts away what a node had while it was on.
func (l *Lab) off(ctx context.Context, n record) error {
	return errors.Join(l.disconnect(ctx, n), l.released(ctx, n.Name))
}

// Wipe cuts a node and throws its card away: the next start is the first one, from
// its image as that is then.
func (l *Lab) Wipe(ctx context.Context, name string) error {
	if err := l.Cut(ctx, name); err != nil {
		return err
	}
	return l.scrap(name)
}
