// Package cli is the command line of berry-firstboot: Main takes the arguments
// and everything else that the program touches as a value, and gives the exit
// code. Each command is one file. What the commands do is in packages steps, peers
// and status; here it is put on the console, into the status file, and before
// systemd.
package cli

import (
	"context"
	"fmt"
	"io"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
)

// Env is what the program is started with.
type Env struct {
	Args    []string // without the program's name
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer
	Host    *host.Host
	Node    string // where the node file lies
	Version string // of this program
	Root    bool   // it runs as root
	Asked   string // what somebody who has logged in through SSH asks for
	// Become has another program take this one's place. It returns only where it cannot.
	Become func(path string, args []string) error
	// Find makes the peer service of the node.
	Find func(f node.File, state func() peers.State) (Finder, error)
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
  berry-firstboot run [--once]     walk all steps, tell systemd that the node is ready, and watch it
  berry-firstboot status [--json]  show where this node stands
  berry-firstboot install FOLDER   make this server a node; called by what berry installer makes
  berry-firstboot gsync ...        let geo-replication in; called by sshd
  berry-firstboot version          show the version
  berry-firstboot help [COMMAND]   show this, or what one of them does, as its --help does

run prints one line when a step ends, and "berry-firstboot: ready" when all of
them hold that other steps or nodes need. From then on it mends what it can when
something changes, and tries again what nobody needs; with --once it ends there. It
may be run at any time, any number of times. The service of the same name runs it at
every boot, and again 15 seconds after a step has failed that is needed.

Exit codes:
  0  run: every step holds, or held when a signal ended it; status, install: the node is ready
  1  run: a step failed; status: the node is not ready; install: the server does not suit, or it failed
  2  the command line is wrong
  3  the node file /etc/berry/node.json is missing or wrong
  4  run or install was stopped by a signal before every step held; what was done stays done
`

// Main runs one command and returns the exit code.
func Main(ctx context.Context, env Env) int {
	if len(env.Args) == 0 {
		return env.misused("no command")
	}
	name, rest := env.Args[0], env.Args[1:]
	if _, known := explanations[name]; known && asksForHelp(rest) {
		return env.explain(name)
	}
	switch name {
	case "run":
		return env.run(ctx, rest)
	case "status":
		return env.status(rest)
	case "install":
		return env.install(ctx, rest)
	case "gsync":
		return env.gsync(ctx, rest)
	case "version", "--version":
		return env.version(rest)
	case "help", "--help", "-h":
		return env.help(rest)
	}
	return env.misused(fmt.Sprintf("unknown command %q", name))
}
