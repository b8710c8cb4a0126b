// Package cli is the command line of berry-firstboot: Main takes the arguments
// and everything else that the program touches as a value, and gives the exit
// code. Each command is one file. What the commands do is in packages steps and
// status; here it is put on the console, into the status file, and before systemd.
package cli

import (
	"context"
	"fmt"
	"io"

	"berries/firstboot/host"
)

// Env is what the program is started with.
type Env struct {
	Args    []string // without the program's name
	Stdout  io.Writer
	Stderr  io.Writer
	Host    *host.Host
	Node    string // where the node file lies
	Version string // of this program
	// Notify tells systemd the state of the service, in the words of
	// sd_notify(3). It does nothing where systemd has not asked.
	Notify func(state string)
}

// The exit codes, as --help explains them. The unit names those that starting
// again would not change.
const (
	ok      = 0
	failed  = 1
	usage   = 2
	noNode  = 3
	stopped = 4
)

const help = `berry-firstboot makes this machine the node that its image says it is.

Usage:
  berry-firstboot run              walk all steps, then tell systemd that the node is ready
  berry-firstboot status [--json]  show where this node stands
  berry-firstboot version          show the version
  berry-firstboot help             show this

run prints one line when a step ends, and "berry-firstboot: ready" when all of
them hold. It may be run at any time, any number of times. The service of the
same name runs it at every boot, and again 15 seconds after a step has failed.

Exit codes:
  0  run: every step holds; status: the node is ready
  1  run: a step failed; status: the node is not ready
  2  the command line is wrong
  3  the node file /etc/berry/node.json is missing or wrong
  4  run was stopped by a signal; what was done stays done
`

// Main runs one command and returns the exit code.
func Main(ctx context.Context, env Env) int {
	if len(env.Args) == 0 {
		return env.misused("no command")
	}
	name, rest := env.Args[0], env.Args[1:]
	switch name {
	case "run":
		return env.alone(rest, func() int { return env.run(ctx) })
	case "status":
		return env.status(rest)
	case "version", "--version":
		return env.alone(rest, env.version)
	case "help", "--help", "-h":
		fmt.Fprint(env.Stdout, help)
		return ok
	}
	return env.misused(fmt.Sprintf("unknown command %q", name))
}

// alone runs a command that takes no arguments.
func (env Env) alone(rest []string, command func() int) int {
	if len(rest) > 0 {
		return env.misused(fmt.Sprintf("unexpected argument %q", rest[0]))
	}
	return command()
}

func (env Env) misused(what string) int {
	env.complain(fmt.Errorf("%s; type: berry-firstboot help", what))
	return usage
}

// complain says what went wrong. It begins like every line of ours, but has not
// the shape of a step's.
func (env Env) complain(err error) {
	fmt.Fprintf(env.Stderr, "berry-firstboot: %v\n", err)
}
