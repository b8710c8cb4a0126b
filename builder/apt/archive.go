package apt

import (
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/builder/fetch"
)

// Options are where packages come from.
type Options struct {
	// Files does the downloads. For an apt proxy, its HTTP is made by Through.
	Files   *fetch.Client
	Mirrors Mirrors
	// Now is the time that signatures and Valid-Until are held against.
	Now func() time.Time
}

// Archive is everything the base's sources offer, beside what is installed.
type Archive struct {
	Base     *Base
	Notes    []string // what the sources name and the suites do not have
	universe *universe
}

// atOnce is how many files are fetched and unpacked side by side. An unpacked
// index takes some 60 MB.
const atOnce = 4

// Open fetches and checks every index that the base's sources name. All of
// them have to be had: with one missing, older versions would be chosen.
func Open(ctx context.Context, b *Base, o Options) (*Archive, error) {
	suites := b.suites()
	if err := each(ctx, suites, func(ctx context.Context, s *suite) error { return s.load(ctx, b, o) }); err != nil {
		return nil, err
	}
	a := &Archive{Base: b, Notes: o.Mirrors.unused(b.Sources), universe: newUniverse(slices.Concat([]string{b.Arch}, b.Foreign))}
	var all []*index
	for _, s := range suites {
		all = append(all, s.indexes...)
		a.Notes = append(a.Notes, s.notes...)
	}
	load := func(ctx context.Context, x *index) error { return x.load(ctx, o.Files) }
	if err := each(ctx, all, load); err != nil {
		return nil, err
	}
	return a, a.universe.fill(b, all)
}

// fill adds the indexes, and then what is installed, in apt's order.
func (u *universe) fill(b *Base, indexes []*index) error {
	for _, x := range indexes {
		x.priority = priorityOf(x, b.pins)
		if err := u.addIndex(x.text, x); err != nil {
			return fmt.Errorf("cannot read %s: %w", x.dir+x.name, err)
		}
		x.text = "" // the universe holds it
	}
	if err := u.addStatus(b.status); err != nil {
		return fmt.Errorf("cannot read the base's %s: %w", statusPath, err)
	}
	u.applyPins(b.pins)
	return nil
}

// each runs work for all of list, some at a time, until one fails.
func each[T any](ctx context.Context, list []T, work func(context.Context, T) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce)
	for _, one := range list {
		g.Go(func() error { return work(ctx, one) })
	}
	return g.Wait()
}

// suite is one suite of one repository with all the sources that name it.
type suite struct {
	sources []Source
	indexes []*index
	notes   []string
}

// suites puts sources for the same suite together, as apt does, so that each
// Release file is fetched once.
func (b *Base) suites() []*suite {
	var list []*suite
	for _, s := range b.Sources {
		at := slices.IndexFunc(list, func(other *suite) bool {
			first := other.sources[0]
			return first.URI == s.URI && first.Suite == s.Suite
		})
		if at < 0 {
			at, list = len(list), append(list, &suite{})
		}
		list[at].sources = append(list[at].sources, s)
	}
	return list
}

// load fetches and checks the Release file, and finds the indexes in it.
func (s *suite) load(ctx context.Context, b *Base, o Options) error {
	for _, one := range s.sources {
		dir := o.Mirrors.URL(one.dir())
		text, err := s.signed(ctx, b, o, one, dir)
		if err != nil {
			return fmt.Errorf("cannot use suite %s of %s: %w", one.Suite, one.URI, err)
		}
		r, err := checked(text, one, o.Now())
		if err != nil {
			return fmt.Errorf("cannot use suite %s of %s: %w", one.Suite, one.URI, err)
		}
		indexes, notes := one.indexes(b, r, dir)
		s.notes = append(s.notes, notes...)
		for _, x := range indexes {
			if !slices.ContainsFunc(s.indexes, func(y *index) bool { return y.name == x.name }) {
				s.indexes = append(s.indexes, x)
			}
		}
	}
	return nil
}

// dir is the URL of the directory that the Release file is in.
func (s Source) dir() string {
	if s.Flat() {
		return s.URI + strings.TrimLeft(path.Clean("/"+s.Suite)+"/", "/")
	}
	return s.URI + "dists/" + s.Suite + "/"
}

// checked reads a Release file that is known to be signed.
func checked(text string, s Source, now time.Time) (*release, error) {
	r, err := newRelease(text)
	if err != nil {
		return nil, err
	}
	if !s.Flat() && !r.is(s.Suite) {
		return nil, fmt.Errorf("what the mirror has there is suite %q, codename %q", r.suite, r.codename)
	}
	return r, r.current(now)
}

// signed fetches the Release file in either form and returns its text, the
// signature checked.
func (s *suite) signed(ctx context.Context, b *Base, o Options, one Source, dir string) (string, error) {
	keys, from, err := b.keysFor(one)
	if err != nil {
		return "", err
	}
	text, err := read(ctx, o.Files, dir+"InRelease")
	if err == nil {
		plain, err := opened(text, keys, o.Now())
		if err != nil {
			return "", fmt.Errorf("%sInRelease cannot be trusted (keys: %s): %w", dir, from, err)
		}
		return plain, nil
	}
	if !missing(err) {
		return "", err
	}
	if text, err = read(ctx, o.Files, dir+"Release"); err != nil {
		return "", err
	}
	signature, err := read(ctx, o.Files, dir+"Release.gpg")
	if missing(err) {
		return "", fmt.Errorf("%sRelease cannot be trusted: it is not signed", dir)
	}
	if err != nil {
		return "", err
	}
	if err := verifyDetached(text, signature, keys, o.Now()); err != nil {
		return "", fmt.Errorf("%sRelease cannot be trusted (keys: %s): %w", dir, from, err)
	}
	return string(text), nil
}

func read(ctx context.Context, c *fetch.Client, url string) ([]byte, error) {
	path, err := c.Get(ctx, fetch.Request{URL: url})
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
