package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"

	"berries/testimages/lab/cluster"
)

// verbs are the commands that do one thing to one node.
func (e *env) verbs() []*cobra.Command {
	list := []struct {
		name, short string
		do          func(*cluster.Lab, context.Context, string) error
	}{
		{"start", "switch a node on", (*cluster.Lab).Start},
		{"stop", "shut a node down", (*cluster.Lab).Stop},
		{"cut", "cut a node's power", (*cluster.Lab).Cut},
		{"wipe", "cut a node's power and give it a new card", (*cluster.Lab).Wipe},
		{"unplug", "pull a node's network cable", (*cluster.Lab).Unplug},
		{"plug", "put a node's network cable back in", (*cluster.Lab).Plug},
		{"renumber", "have DHCP give a node another address", e.renumber},
		{"reconnect", "have the router of a node's house dial in anew, with another address", e.reconnect},
		{"offline", "cut the house of a node off the internet", isOffline(true)},
		{"online", "connect the house of a node to the internet again", isOffline(false)},
	}
	var commands []*cobra.Command
	for _, v := range list {
		commands = append(commands, &cobra.Command{
			Use: v.name + " NODE", Short: v.short, Args: want(cobra.ExactArgs(1)),
			RunE: func(c *cobra.Command, args []string) error {
				l, err := cluster.Open(e.dir)
				if err != nil {
					return err
				}
				return v.do(l, c.Context(), args[0])
			},
		})
	}
	return commands
}

func isOffline(off bool) func(*cluster.Lab, context.Context, string) error {
	return func(l *cluster.Lab, ctx context.Context, name string) error { return l.Offline(ctx, name, off) }
}

func (e *env) reconnect(l *cluster.Lab, ctx context.Context, name string) error {
	return e.print(l.Reconnect(ctx, name))
}

func (e *env) renumber(l *cluster.Lab, ctx context.Context, name string) error {
	return e.print(l.Renumber(ctx, name))
}

func (e *env) print(address netip.Addr, err error) error {
	if err == nil {
		fmt.Fprintln(e.stdout, address)
	}
	return err
}

// exec becomes the command, so that its terminal, its signals and its exit code are
// the person's.
func (e *env) exec() *cobra.Command {
	return &cobra.Command{
		Use: "exec NODE -- CMD...", Short: "run a command on a node, as root", Args: want(cobra.MinimumNArgs(2)),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := cluster.Open(e.dir)
			if err != nil {
				return err
			}
			cmd, err := l.Command(args[0], args[1:]...)
			if err != nil {
				return err
			}
			program, err := exec.LookPath(cmd.Name)
			if err != nil {
				return err
			}
			return syscall.Exec(program, append([]string{cmd.Name}, cmd.Args...), os.Environ())
		},
	}
}

func (e *env) down() *cobra.Command {
	return &cobra.Command{
		Use: "down", Short: "take the lab away, without a trace", Args: want(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := cluster.Open(e.dir)
			if err != nil {
				return err
			}
			return l.Down(c.Context())
		},
	}
}
