// Command berry-firstboot makes a Raspberry Pi the node that its image says it
// is: it reads the node file that the builder wrote, walks the steps of that
// node's role, and tells systemd when all of them hold. See berry-firstboot help.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"berries/firstboot/cli"
	"berries/firstboot/host"
	"berries/firstboot/node"

	"github.com/coreos/go-systemd/v22/daemon"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	env := cli.Env{
		Args:    os.Args[1:],
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Node:    node.Path,
		Version: version(),
		Notify:  func(state string) { daemon.SdNotify(false, state) },
	}
	var err error
	env.Host, err = host.New("/", func(line string) { fmt.Fprintln(os.Stderr, "berry-firstboot: ran", line) })
	if err != nil {
		fmt.Fprintln(os.Stderr, "berry-firstboot:", err)
		os.Exit(1)
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
