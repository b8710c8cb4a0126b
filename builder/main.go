// Program berry turns a Raspberry Pi OS image and a cluster profile into one
// image per node. See berry --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"berries/builder/cli"
	"berries/overlays"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := cli.Main(ctx, cli.Env{
		Args:      os.Args[1:],
		Stdout:    os.Stdout,
		Stderr:    os.Stderr,
		Terminal:  term.IsTerminal(int(os.Stderr.Fd())),
		Getenv:    os.Getenv,
		Firstboot: overlays.Firstboot,
	})
	stop()
	os.Exit(code)
}
