package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"berries/builder/apt"
	"berries/builder/plan"
	"berries/builder/progress"
	"berries/builder/stages"
)

func newLock(env Env) *cobra.Command {
	var f buildFlags
	c := &cobra.Command{
		Use:   "lock PROFILE",
		Short: "pin today's base and packages",
		Long: `lock chooses the packages of every role from the archives that the base image
itself names, as apt on the node would, checks the archives' signatures with the
base's own keys, writes all of it into the lock file beside the profile
(berries.yaml: berries.lock.yaml) and says what has changed. Later builds take
exactly that base and those packages. The first build makes the file by itself;
type berry lock to move on to newer ones.
` + exits(exitMistakes),
		Example:           "  berry lock berries.yaml",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: oneProfile,
		RunE: func(c *cobra.Command, a []string) error {
			return lock(c.Context(), env, a[0], f)
		},
	}
	f.fromWhere(c)
	c.Flags().BoolVar(&f.json, "json", false, "print the changes as JSON")
	return c
}

// lock does what newLock says.
func lock(ctx context.Context, env Env, profile string, f buildFlags) error {
	cluster, err := load(env, profile, f.base)
	if err != nil {
		return err
	}
	p, err := plan.New(cluster)
	if err != nil {
		return err
	}
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	o, err := buildOptions(env, profile, f, bars)
	if err != nil {
		return err
	}
	l, changes, err := stages.Lock(ctx, o, p)
	bars.Close()
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(env.Stdout, append([]apt.Change{}, changes...)) // [] and not null
	}
	return printChanges(env.Stdout, o.Lock, l, changes)
}

// printChanges says what is locked now, and what was before.
func printChanges(w io.Writer, file string, l *apt.Lock, changes []apt.Change) error {
	for _, c := range changes {
		if _, err := fmt.Fprintln(w, c); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d packages for %d roles, %d changes\n", file, len(l.Packages), len(l.Roles), len(changes))
	return err
}
