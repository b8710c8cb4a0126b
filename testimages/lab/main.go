// Command lab boots a cluster's images on this machine: real systemd, a LAN, DHCP
// (package cluster). It needs root.
//
//	go run ./testimages/lab up
//	go run ./testimages/lab status --json
//	go run ./testimages/lab exec cluster01 -- journalctl -u berry-firstboot
//	go run ./testimages/lab down
//
// A lab stays up until it is taken down, whatever becomes of the program that has
// started it. Everything of it is found by its folder, --dir.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// env is what a command may take from outside.
type env struct {
	stdout, stderr io.Writer
	terminal       bool // stdout is a terminal: the table is drawn anew
	dir            string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &env{stdout: os.Stdout, stderr: os.Stderr, terminal: term.IsTerminal(int(os.Stdout.Fd()))}
	code := e.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// run does what the command line says. Exit codes: 0 done, 1 failed, 2 wrong command
// line; exec has those of its command.
func (e *env) run(ctx context.Context, args []string) int {
	root := &cobra.Command{
		Use: "lab", Short: "boot a cluster's images on this machine",
		Example:      "  lab up\n  lab exec cluster01 -- systemctl --failed\n  lab cut cluster02\n  lab down",
		SilenceUsage: true, SilenceErrors: true,
	}
	root.PersistentFlags().StringVar(&e.dir, "dir", "out/lab.run", "the lab's `folder`")
	root.SetArgs(args)
	root.SetOut(e.stdout)
	root.SetErr(e.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(e.up(), e.status(), e.exec(), e.down())
	root.AddCommand(e.verbs()...)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted; what is up stays up; type: lab down")
	}
	fmt.Fprintln(e.stderr, "lab:", err)
	if _, wrong := errors.AsType[usageError](err); wrong {
		fmt.Fprintln(e.stderr, "hint: lab --help")
		return 2
	}
	return 1
}

// want wraps cobra's checks of positional arguments as usage errors.
func want(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
