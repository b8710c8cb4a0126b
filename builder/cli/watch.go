package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"berries/builder/watch"
)

// lookEvery is how often watch asks the nodes. They keep what they tell for some seconds.
const lookEvery = 2 * time.Second

// waiting are the flags of watch.
type waiting struct {
	watching
	once    bool
	wait    string
	timeout time.Duration
}

func newWatch(env Env) *cobra.Command {
	var w waiting
	c := &cobra.Command{
		Use:   "watch PROFILE",
		Short: "show how the running nodes are, again and again",
		Long: `watch shows the table of status and keeps it up to date, until Ctrl-C. Where the
output is no terminal, it prints a line for a node whenever something of it changes;
with --json, an object a line every few seconds.

With --wait ready it ends as soon as every node of the profile is ready, and with exit
code 5 when they are not in time.

` + howFound + exits(exitMistakes, exitNotReady),
		Example:           "  berry watch berries.yaml\n  berry watch berries.yaml --wait ready --timeout 15m",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: oneProfile,
		RunE: func(c *cobra.Command, a []string) error {
			if err := w.check(c); err != nil {
				return err
			}
			if w.once {
				return status(c.Context(), env, a[0], w.watching)
			}
			return watchNodes(c.Context(), env, a[0], w)
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&w.json, "json", false, "print what the nodes tell as JSON, an object a line")
	c.Flags().BoolVar(&w.once, "once", false, "show it once and end, like status")
	c.Flags().StringVar(&w.wait, "wait", "", "end when all nodes are `ready`, the one thing that can be waited for")
	c.Flags().DurationVar(&w.timeout, "timeout", 10*time.Minute, "how long --wait waits")
	return c
}

// check finds flags that make no sense together.
func (w waiting) check(c *cobra.Command) error {
	var err error
	switch {
	case w.wait != "" && w.wait != "ready":
		err = fmt.Errorf("cannot wait for %q", w.wait)
	case w.wait != "" && w.once:
		err = errors.New("--once and --wait contradict each other")
	case w.wait == "" && c.Flags().Changed("timeout"):
		err = errors.New("--timeout is for --wait")
	}
	if err != nil {
		return hinted{usageError{err}, c.CommandPath() + " --help"}
	}
	return nil
}

// watchNodes does what newWatch says.
func watchNodes(ctx context.Context, env Env, profile string, w waiting) error {
	client, err := w.client(env, profile)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		client.Discover(inner) // where nothing can be heard, nobody is found
	}()
	defer func() { <-ended }()
	defer cancel()
	view := w.view(env)
	for end := time.Now().Add(w.timeout); ; {
		is, err := client.Look(ctx)
		if ctx.Err() != nil {
			return w.stopped(ctx)
		}
		if err := view.Show(is, time.Now()); err != nil {
			return err
		}
		switch {
		case w.wait != "" && watch.Ready(is):
			return nil
		case w.wait != "" && time.Now().After(end) && err != nil:
			return notReady{unanswered(profile, err)}
		case w.wait != "" && time.Now().After(end):
			return notReady{fmt.Errorf("not ready within %v: %s", w.timeout, watch.Lacking(is))}
		}
		watch.Pause(ctx, lookEvery)
	}
}

// stopped is the end by Ctrl-C, which is how one ends a look, and not a wait.
func (w waiting) stopped(ctx context.Context) error {
	if w.wait == "" {
		return nil
	}
	return interrupted{context.Cause(ctx), "the nodes go on by themselves"}
}

func (w waiting) view(env Env) watch.View {
	switch {
	case w.json:
		return watch.Objects{W: env.Stdout}
	case env.Width != nil && env.Getenv("TERM") != "dumb":
		return &watch.Screen{W: env.Stdout, Width: env.Width, Colour: colour(env)}
	}
	return &watch.Lines{W: env.Stdout}
}
