package cluster

import (
	"context"
	"fmt"
	"strconv"

	"berries/firstboot/host"
)

// Exec runs a command on a node, as root, and gives what it printed. The node must be
// on. When ctx ends, or the node's power is cut, the command is killed.
func (l *Lab) Exec(ctx context.Context, name string, command ...string) (host.Result, error) {
	cmd, err := l.Command(name, command...)
	if err != nil {
		return host.Result{}, err
	}
	return l.run.Run(ctx, cmd)
}

// Command is what Exec runs, for whoever has an input or a terminal for it.
func (l *Lab) Command(name string, command ...string) (host.Cmd, error) {
	if _, err := l.load(name); err != nil {
		return host.Cmd{}, err
	}
	leader, running, err := l.Leader(name)
	if err != nil {
		return host.Cmd{}, err
	}
	if !running {
		return host.Cmd{}, fmt.Errorf("%s is off; start it first", name)
	}
	args := []string{
		"--target", strconv.Itoa(leader), "--mount", "--uts", "--ipc", "--net", "--pid", "--",
		// Of this machine's environment the node sees nothing.
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "TERM=linux",
		// nsenter stands between us and the command, and does not pass its end on.
		"setpriv", "--pdeathsig", "KILL",
	}
	return host.Command("nsenter", append(args, command...)...), nil
}
