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
		Args:        os.Args[1:],
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Terminal:    term.IsTerminal(int(os.Stderr.Fd())),
		Stdin:       os.Stdin,
		Interactive: term.IsTerminal(int(os.Stdin.Fd())),
		Getenv:      os.Getenv,
		Width:       width(),
		Firstboot:   overlays.Firstboot,
	})
	stop()
	os.Exit(code)
}

// width tells how wide the terminal is that stdout is, if it is one.
func width() func() int {
	out := int(os.Stdout.Fd())
	if !term.IsTerminal(out) {
		return nil
	}
	return func() int {
		columns, _, err := term.GetSize(out)
		if err != nil {
			return 0
		}
		return columns
	}
}
