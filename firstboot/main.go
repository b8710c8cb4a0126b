// Command berry-firstboot makes a Raspberry Pi the node that its image says it
// is: it reads the node file that the builder wrote, finds the other nodes, walks
// the steps of that node's role, tells systemd when all of them hold, and watches
// them from then on. See berry-firstboot help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"berries/firstboot/cli"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"

	"github.com/coreos/go-systemd/v22/daemon"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := cli.Env{
		Args:    os.Args[1:],
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Node:    node.Path,
		Version: version(),
		Root:    os.Geteuid() == 0,
		Asked:   os.Getenv("SSH_ORIGINAL_COMMAND"),
		Become:  func(path string, args []string) error { return syscall.Exec(path, args, os.Environ()) },
		Notify:  func(state string) { daemon.SdNotify(false, state) },
	}
	var err error
	say := func(line string) { fmt.Fprintln(os.Stderr, "berry-firstboot:", line) }
	log := host.Seldom(func(line string) { say("ran " + line) }, 10*time.Minute)
	if env.Asked != "" {
		log = nil // who has logged in reads what is said
	}
	env.Host, err = host.New("/", log)
	if err != nil {
		fmt.Fprintln(os.Stderr, "berry-firstboot:", err)
		os.Exit(1)
	}
	env.Find = func(f node.File, state func() peers.State) (cli.Finder, error) {
		return cli.Find(env.Host, f, state, say)
	}
	os.Exit(cli.Main(ctx, env))
}

// version is what the Go toolchain knows of the source it built: "devel" where it
// was told to leave that out.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return strings.Trim(info.Main.Version, "()")
}
