package pack

import (
	"context"

	"golang.org/x/sync/errgroup"
)

// piece is a part of an image on its way into the file.
type piece[T any] struct {
	done chan struct{} // closed when there is an out
	out  T
}

// giver takes the next piece's work; it waits while there is enough of it.
type giver[T any] func(work func(context.Context) (T, error)) error

// inOrder does the work of pieces on several cores, and hands what came out of it to
// write in the order in which produce gave the pieces. A few more than there are cores
// are in memory at once.
func inOrder[T any](ctx context.Context, cores int, produce func(give giver[T]) error, write func(T) error) error {
	group, ctx := errgroup.WithContext(ctx)
	waiting := make(chan *piece[T], cores)
	group.Go(func() error {
		defer close(waiting)
		return produce(func(work func(context.Context) (T, error)) error {
			p := &piece[T]{done: make(chan struct{})}
			select {
			case waiting <- p:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			group.Go(func() (err error) {
				if p.out, err = work(ctx); err == nil {
					close(p.done)
				}
				return err
			})
			return nil
		})
	})
	group.Go(func() error {
		for p := range waiting {
			select {
			case <-p.done:
			case <-ctx.Done():
			}
			if err := context.Cause(ctx); err != nil {
				return err
			}
			if err := write(p.out); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}
