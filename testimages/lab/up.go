package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"berries/firstboot/host"
	"berries/testimages/lab/cluster"
)

// upFlags are what up asks for.
type upFlags struct {
	images, profile, base, berry string
	nodes                        []string
	wait                         time.Duration
}

// up starts all nodes at once and shows them until they are ready. What it has
// started stays up, whatever happens.
func (e *env) up() *cobra.Command {
	var f upFlags
	c := &cobra.Command{
		Use: "up", Short: "boot the images of a folder, and wait until the nodes are ready", Args: want(cobra.NoArgs),
		Example: "  lab up --nodes cluster01,cluster02,cluster03\n  lab up --profile my.yaml --images out/mine",
		RunE: func(c *cobra.Command, _ []string) error {
			began := time.Now()
			l, err := e.start(c.Context(), f)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeoutCause(c.Context(), f.wait, fmt.Errorf("not ready within %v; type: lab status", f.wait))
			defer cancel()
			if err := e.watch(ctx, l); err != nil {
				return err
			}
			fmt.Fprintf(e.stdout, "ready after %.1fs; from the router: ip netns exec %s CMD\n", time.Since(began).Seconds(), l.Namespace(""))
			return nil
		},
	}
	c.Flags().StringVar(&f.images, "images", "out/lab", "the `folder` of the images, for amd64")
	c.Flags().StringVar(&f.profile, "profile", "", "build the images of this `profile` first, into that folder")
	c.Flags().StringVar(&f.base, "base", "out/base/raspios-standin-trixie-amd64.img", "what --profile builds them from")
	c.Flags().StringVar(&f.berry, "berry", "out/berry", "the `program` that --profile builds them with")
	c.Flags().StringSliceVar(&f.nodes, "nodes", nil, "these nodes only (default: all that there are images of)")
	c.Flags().DurationVar(&f.wait, "wait", 10*time.Minute, "how long to wait until they are ready")
	return c
}

// start makes the lab and switches its nodes on.
func (e *env) start(ctx context.Context, f upFlags) (*cluster.Lab, error) {
	if f.profile != "" {
		args := append([]string{"build", f.profile, "-o", f.images, "--base", f.base}, f.nodes...)
		if _, err := (host.Exec{}).Run(ctx, host.Command(f.berry, args...)); err != nil {
			return nil, err
		}
	}
	images, err := choose(f.images, f.nodes)
	if err != nil {
		return nil, err
	}
	l, err := cluster.New(ctx, e.dir, images...)
	if err != nil {
		return nil, err
	}
	names, err := l.Nodes()
	if err != nil {
		return nil, err
	}
	var all errgroup.Group
	for _, name := range names {
		all.Go(func() error { return l.Start(ctx, name) })
	}
	return l, all.Wait()
}

// choose gives the images of these nodes in a folder, or all that are there.
func choose(dir string, nodes []string) ([]string, error) {
	images, err := filepath.Glob(filepath.Join(dir, "*.img"))
	if err != nil {
		return nil, err
	}
	if len(images) == 0 {
		return nil, fmt.Errorf("there are no images in %s; type: make lab", dir)
	}
	if len(nodes) == 0 {
		return images, nil
	}
	images = nil
	for _, node := range nodes {
		image := filepath.Join(dir, node+".img")
		if _, err := os.Stat(image); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no image of %s in %s", node, dir)
		}
		images = append(images, image)
	}
	slices.Sort(images)
	return slices.Compact(images), nil
}

// watch shows the table until all nodes are ready.
func (e *env) watch(ctx context.Context, l *cluster.Lab) error {
	shown := ""
	for {
		states, err := l.States(ctx)
		if err != nil {
			return err
		}
		if text := table(states); text != shown {
			e.draw(shown, text)
			shown = text
		}
		if i := slices.IndexFunc(states, func(s cluster.State) bool { return s.State == cluster.Off }); i >= 0 {
			return fmt.Errorf("%s has gone off; see %s", states[i].Name, filepath.Join(e.dir, "nodes", states[i].Name, "console.log"))
		}
		if !slices.ContainsFunc(states, func(s cluster.State) bool { return s.State != cluster.Ready }) {
			return nil
		}
		if err := (host.Wall{}).Sleep(ctx, time.Second/4); err != nil {
			return err
		}
	}
}

// A terminal cuts lines off between these: a wrapped line would be two.
const noWrap, wrap = "\x1b[?7l", "\x1b[?7h"

// draw shows a table: in the place of the one before it on a terminal, and elsewhere
// those lines of it that are new.
func (e *env) draw(before, text string) {
	if e.terminal {
		if before != "" {
			fmt.Fprintf(e.stdout, "\x1b[%dA\x1b[J", strings.Count(before, "\n"))
		}
		fmt.Fprint(e.stdout, noWrap, text, wrap)
		return
	}
	old := strings.Split(before, "\n")
	for line := range strings.Lines(text) {
		if !slices.Contains(old, strings.TrimSuffix(line, "\n")) {
			fmt.Fprint(e.stdout, line)
		}
	}
}
