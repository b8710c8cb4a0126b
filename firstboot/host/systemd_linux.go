package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coreos/go-systemd/v22/dbus"
)

// Systemd is the running systemd, spoken to over its own private socket: that
// works before the D-Bus daemon runs and where there is none.
type Systemd struct{}

// Start implements Units.
func (Systemd) Start(ctx context.Context, unit string) error {
	return job(ctx, "start", unit, (*dbus.Conn).StartUnitContext)
}

// Restart implements Units.
func (Systemd) Restart(ctx context.Context, unit string) error {
	return job(ctx, "restart", unit, (*dbus.Conn).RestartUnitContext)
}

// Stop implements Units.
func (Systemd) Stop(ctx context.Context, unit string) error {
	return job(ctx, "stop", unit, (*dbus.Conn).StopUnitContext)
}

// Enable implements Units.
func (Systemd) Enable(ctx context.Context, units ...string) error {
	return reloaded(ctx, "enable", units, func(c *dbus.Conn) error {
		_, _, err := c.EnableUnitFilesContext(ctx, units, false, true)
		return err
	})
}

// Mask implements Units.
func (Systemd) Mask(ctx context.Context, units ...string) error {
	return reloaded(ctx, "mask", units, func(c *dbus.Conn) error {
		_, err := c.MaskUnitFilesContext(ctx, units, false, true)
		return err
	})
}

// Reload implements Units.
func (Systemd) Reload(ctx context.Context) error {
	return reloaded(ctx, "", nil, func(*dbus.Conn) error { return nil })
}

// Active implements Units.
func (Systemd) Active(ctx context.Context, unit string) (bool, error) {
	c, err := dial(ctx)
	if err != nil {
		return false, err
	}
	defer c.Close()
	state, err := c.GetUnitPropertyContext(ctx, unit, "ActiveState")
	if err != nil {
		return false, fmt.Errorf("cannot ask systemd for %s: %w", unit, err)
	}
	name, _ := state.Value.Value().(string)
	return name == "active" || name == "reloading", nil
}

func dial(ctx context.Context) (*dbus.Conn, error) {
	c, err := dbus.NewSystemdConnectionContext(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot speak to systemd: %w", why(ctx, err))
	}
	return c, nil
}

// why is the cause of an error: a context that ends closes the connection, whose error
// does not tell.
func why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// reloaded changes unit files and has systemd read them again.
func reloaded(ctx context.Context, verb string, units []string, change func(*dbus.Conn) error) error {
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := change(c); err != nil {
		return fmt.Errorf("cannot %s %v: %w", verb, units, err)
	}
	if err := c.ReloadContext(ctx); err != nil {
		return fmt.Errorf("cannot have systemd read its units again: %w", err)
	}
	return nil
}

// job has systemd queue a job for a unit and waits for its end.
func job(ctx context.Context, verb, unit string,
	queue func(c *dbus.Conn, ctx context.Context, unit, mode string, done chan<- string) (int, error),
) error {
	c, err := dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	done := make(chan string, 1)
	_, err = queue(c, ctx, unit, "replace", done)
	if err == nil {
		err = await(ctx, c, unit, done)
	}
	if err != nil {
		return fmt.Errorf("cannot %s %s: %w", verb, unit, why(ctx, err))
	}
	return nil
}

// await waits for the result of a job. A systemd that is replaced meanwhile (by
// an upgrade of its package) drops the connection and never answers.
func await(ctx context.Context, c *dbus.Conn, unit string, done <-chan string) error {
	pulse := time.NewTicker(time.Second)
	defer pulse.Stop()
	for {
		select {
		case result := <-done:
			if result == "done" {
				return nil
			}
			return fmt.Errorf("systemd says %q; type: journalctl -b -u '%s'", result, unit)
		case <-pulse.C:
			if !c.Connected() {
				return errors.New("systemd went away")
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
