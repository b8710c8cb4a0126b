package qemu

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
)

// PowerOff presses the power button and waits until the machine is off. When ctx
// ends before, the machine is still running.
func (m *Machine) PowerOff(ctx context.Context) error {
	if err := m.command(ctx, "system_powerdown"); err != nil {
		return fmt.Errorf("cannot press the power button: %w", err)
	}
	return m.Wait(ctx)
}

// Wait waits until the machine is off, however that comes.
func (m *Machine) Wait(ctx context.Context) error {
	select {
	case <-m.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the machine is still running: %w:\n%s", context.Cause(ctx), lastLines(m.Transcript()))
	}
}

// Kill cuts the power. It does nothing to a machine that is off.
func (m *Machine) Kill() {
	m.process.Process.Kill() // an error means that it is gone already
	<-m.stopped
}

// command has QEMU's monitor do something.
func (m *Machine) command(ctx context.Context, name string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "unix", m.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return err
		}
	}
	answers := bufio.NewScanner(conn)
	for _, execute := range []string{"qmp_capabilities", name} {
		if err := json.NewEncoder(conn).Encode(map[string]string{"execute": execute}); err != nil {
			return err
		}
		if err := answer(answers); err != nil {
			return fmt.Errorf("%s: %w", execute, err)
		}
	}
	return nil
}

// answer reads up to the monitor's answer; greetings and events come between.
func answer(lines *bufio.Scanner) error {
	for lines.Scan() {
		var said struct {
			Return *json.RawMessage              `json:"return"`
			Error  *struct{ Class, Desc string } `json:"error"`
		}
		if err := json.Unmarshal(lines.Bytes(), &said); err != nil {
			return err
		}
		if said.Error != nil {
			return fmt.Errorf("QEMU refuses: %s", said.Error.Desc)
		}
		if said.Return != nil {
			return nil
		}
	}
	return fmt.Errorf("QEMU has hung up: %w", lines.Err())
}
