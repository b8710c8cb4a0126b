package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"berries/builder/card"
	"berries/builder/progress"
	"berries/builder/stages"
)

// compose builds the images of all jobs, opens them, and removes their names: whatever
// happens while cards are written, no image with its keys is left in the cache.
//
// They are not made on the card itself. Making one of a whole system was measured to take
// about three seconds, writing and reading it back takes a card minutes; and ext4's tools
// write its metadata here and there and again, which is what cards are slowest at. What is
// written in one go can be held against one block map, its first MiB last.
func compose(ctx context.Context, env Env, machine card.Machine, jobs []*flashJob, f flashFlags) (err error) {
	nodes, err := composed(machine, jobs, f)
	if err != nil {
		return err
	}
	p, err := planOf(env, f.profile, f.base, nodes...)
	if err != nil {
		return err
	}
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	o, err := buildOptions(env, f.profile, buildFlags{base: f.base, cache: f.cache}, bars)
	if err != nil {
		return err
	}
	o.Out = filepath.Join(o.Fetch.Cache, "flash")
	lock, err := o.Fetch.Lock(ctx, o.Out+".lock", "flash")
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.RemoveAll(o.Out); err != nil { // of one that was killed
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.Out)) }()
	if _, err := stages.Build(ctx, o, p); err != nil {
		if ctx.Err() != nil {
			return interrupted{err, "nothing was written"}
		}
		return err
	}
	for _, j := range jobs {
		if err := j.openImage(ctx, o.Out, bars); err != nil {
			return err
		}
		if err := j.image.Hold(); err != nil {
			return err
		}
	}
	return nil
}

// composed names the nodes to build. A card that must not be written is refused before
// anybody waits for its image.
func composed(machine card.Machine, jobs []*flashJob, f flashFlags) (nodes []string, err error) {
	for _, j := range jobs {
		if !j.isNode() {
			return nil, hinted{usageError{fmt.Errorf("--profile has images of nodes built, and %s is a file", j.named)}, "berry flash NODE DEVICE --profile " + f.profile}
		}
		nodes = append(nodes, j.named)
		if j.device == "" {
			continue
		}
		d, err := machine.Find(j.device)
		if err == nil {
			err = card.Refuse(d, 0, f.allow)
		}
		if err != nil {
			return nil, refused(err)
		}
	}
	return nodes, nil
}
