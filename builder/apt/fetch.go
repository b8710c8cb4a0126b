package apt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"berries/builder/fetch"
	"berries/builder/progress"
)

// Fetch downloads exactly those packages into the cache of o.Files, some at a
// time, and returns the paths of the files in the order of list. What the cache
// has is not asked for again, and what was interrupted is gone on with. Progress
// is one task for all. When the mirrors do not have some of them any more, the
// error names all of these.
func Fetch(ctx context.Context, o Options, list []Package) ([]string, error) {
	paths := make([]string, len(list))
	var gone lost
	task := o.start(list)
	defer task.Done()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for i, p := range list {
		g.Go(func() error {
			var err error
			paths[i], err = o.Files.Get(ctx, fetch.Request{
				URL: o.Mirrors.URL(p.URL), SHA256: p.SHA256, Size: p.Size,
			})
			task.Add(p.Size)
			if missing(err) {
				gone.add(i, err)
				return nil
			}
			return p.explain(err)
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return paths, gone.error(list)
}

// start begins the task of downloading a list.
func (o Options) start(list []Package) progress.Task {
	var total int64
	for _, p := range list {
		total += p.Size
	}
	sink := o.Files.Progress
	if sink == nil {
		sink = progress.None
	}
	return sink.Start(fmt.Sprintf("%d packages", len(list)), total)
}

// explain says which package could not be had, and what may help.
func (p Package) explain(err error) error {
	var wrong *fetch.ChecksumError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		return fmt.Errorf("the mirror's %s is not the one that the lock pins; use another mirror, or type berry lock to pin today's: %w", p, err)
	}
	return fmt.Errorf("cannot get package %s: %w", p, err)
}

// lost is which packages the mirrors do not have, by their place in the list.
type lost struct {
	mu  sync.Mutex
	why map[int]error
}

func (l *lost) add(i int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.why == nil {
		l.why = map[int]error{}
	}
	l.why[i] = err
}

// error names every lost package of the list, in its order, with the first
// one's reason; nil means that there is none.
func (l *lost) error(list []Package) error {
	var names []string
	var first error
	for i, p := range list {
		if err := l.why[i]; err != nil {
			names = append(names, p.String())
			if first == nil {
				first = err
			}
		}
	}
	if first == nil {
		return nil
	}
	return fmt.Errorf("the mirror does not have %s any more; type berry lock to pin what it has now: %w",
		strings.Join(names, ", "), first)
}
