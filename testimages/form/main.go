// Command form times how three built images become a cluster, beside a script that
// does the same to the same images with berry-firstboot masked, and that knows every
// name and address beforehand (script.go). It needs root, and a machine that does
// nothing else.
//
//	go run ./testimages/form --images out/lab
//
// Both begin with wiped cards and the power going on, and end when every node answers
// HTTP with 200 and the same file of the volume.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/testimages/lab/cluster"
)

func main() {
	images := flag.String("images", "out/lab", "the `folder` of the images, for amd64")
	rounds := flag.Int("rounds", 3, "how often both are run; the table has the medians")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := bench(ctx, *images, *rounds); err != nil {
		fmt.Fprintln(os.Stderr, "form:", err)
		os.Exit(1)
	}
}

// phase is a part of a run, as wide as its slowest node.
type phase struct {
	name string
	took time.Duration
}

// outcome is one run.
type outcome struct {
	phases []phase
	total  time.Duration
}

// way is how three images become a cluster.
type way struct {
	name string
	mask []string // units
	form func(context.Context, lab) ([]phase, error)
}

var ways = []way{
	{"berry-firstboot", nil, byItself},
	{"a script that knows all", []string{"berry-firstboot.service"}, byScript},
}

// bench runs all ways in turn, and prints a table.
func bench(ctx context.Context, dir string, rounds int) error {
	outcomes := make([][]outcome, len(ways))
	for round := range rounds {
		for i, w := range ways {
			o, err := run(ctx, dir, w)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			fmt.Printf("round %d of %d: %s: %.1fs\n", round+1, rounds, w.name, o.total.Seconds())
			outcomes[i] = append(outcomes[i], o)
		}
	}
	var totals []float64
	for i, w := range ways {
		fmt.Printf("\n%s (seconds, median of %d)\n", w.name, rounds)
		for p, ph := range outcomes[i][0].phases {
			fmt.Printf("  %-34s %6.1f\n", ph.name, median(outcomes[i], func(o outcome) time.Duration { return o.phases[p].took }))
		}
		total := median(outcomes[i], func(o outcome) time.Duration { return o.total })
		fmt.Printf("  %-34s %6.1f\n", "200 and the same file on every node", total)
		totals = append(totals, total)
	}
	fmt.Printf("\nratio %.2f\n", totals[0]/totals[1])
	return nil
}

func median(list []outcome, of func(outcome) time.Duration) float64 {
	var all []time.Duration
	for _, o := range list {
		all = append(all, of(o))
	}
	slices.Sort(all)
	return all[len(all)/2].Seconds()
}

// run forms a cluster in a lab of its own.
func run(ctx context.Context, dir string, w way) (o outcome, err error) {
	var images []string
	for _, name := range nodes {
		images = append(images, filepath.Join(dir, name+".img"))
	}
	at, err := os.MkdirTemp("", "form")
	if err != nil {
		return o, err
	}
	defer os.RemoveAll(at)
	c, err := cluster.New(ctx, filepath.Join(at, "lab"), images...)
	if err != nil {
		return o, err
	}
	defer func() {
		if e := c.Down(context.WithoutCancel(ctx)); err == nil {
			err = e
		}
	}()
	l, err := read(c, images)
	if err != nil {
		return o, err
	}
	if err := l.each(func(name string) error { return c.Mask(ctx, name, w.mask...) }); err != nil {
		return o, err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	began := time.Now()
	if err := l.each(func(name string) error { return c.Start(ctx, name) }); err != nil {
		return o, err
	}
	o.phases = []phase{{"systemd answers", time.Since(began)}}
	more, err := w.form(ctx, l)
	if err != nil {
		return o, err
	}
	asking := time.Now()
	if err := l.serves(ctx); err != nil {
		return o, err
	}
	o.phases = append(append(o.phases, more...), phase{"after that", time.Since(asking)})
	o.total = time.Since(began)
	return o, nil
}

// each does something to all nodes at once.
func (l lab) each(do func(name string) error) error {
	var all errgroup.Group
	for _, n := range l.nodes {
		all.Go(func() error { return do(n.Name) })
	}
	return all.Wait()
}
