//go:build lab

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/gluster"
)

// copies is how many bricks hold a file.
const copies = 3

// converged waits until every node is ready, and holds the cluster to it: gluster
// knows of nothing that is missing, a file written on any node lies on its three
// bricks and is served by all, and nothing was written under a mount point.
func (c *whole) converged(t *testing.T) {
	t.Helper()
	began := time.Now()
	c.ready(t, c.names...)
	for _, name := range c.names {
		c.agrees(t, name)
	}
	for _, writer := range c.names {
		c.writes++
		path, text := fmt.Sprintf("/convergence-%d", c.writes), fmt.Sprintf("%s wrote this as number %d\n", writer, c.writes)
		c.ask(t, writer, fmt.Sprintf("printf %%s '%s' > %s%s", text, c.file(t, writer).Gluster.Mount, path))
		within(t, healLimit, path+" is on three bricks", func() bool { return c.onBricks(t, path, text) })
		within(t, askLimit, path+" is served by all", func() bool { return c.served(t, path, text) })
	}
	t.Logf("a file written on each of %s was on its bricks and served by all %s later", strings.Join(c.names, ", "), seconds(time.Since(began)))
	for _, name := range c.names {
		c.bareBelow(t, name)
	}
}

// agrees holds a node's gluster to the volume that there should be.
func (c *whole) agrees(t *testing.T, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	g, volume := gluster.Client{Runner: on{c.lab, name}}, c.file(t, name).Gluster.Volume
	var why error
	holds := func() bool {
		var v gluster.Volume
		var s gluster.Status
		var others []gluster.Peer
		for _, ask := range []func() error{
			func() (err error) { others, err = g.PeerStatus(ctx); return },
			func() (err error) { v, err = g.VolumeInfo(ctx, volume); return },
			func() (err error) { s, err = g.VolumeStatus(ctx, volume); return },
		} {
			if why = ask(); why != nil {
				return false
			}
		}
		ready := func(p gluster.Peer) bool { return p.Ready() }
		if len(others) != len(c.names)-1 || countOf(others, ready) != len(others) || v.Status != gluster.VolumeStarted ||
			v.Replica != copies || len(v.Bricks) != len(c.names) || len(s.Offline(v)) > 0 {
			why = fmt.Errorf("peers %+v, volume %+v, offline %v", others, v, s.Offline(v))
			return false
		}
		return true
	}
	defer func() {
		if t.Failed() {
			t.Logf("gluster of %s: %v", name, why)
		}
	}()
	within(t, askLimit, "gluster of "+name+" knows of nothing that is missing", holds)
}

func countOf[T any](list []T, is func(T) bool) int {
	n := 0
	for _, x := range list {
		if is(x) {
			n++
		}
	}
	return n
}

// onBricks tells whether a file lies, as it should be, on the three bricks of one set
// and on no other.
func (c *whole) onBricks(t *testing.T, path, text string) bool {
	t.Helper()
	var at []int
	for i, name := range c.names {
		// On other sets there may be a pointer to it, an empty file with this mode.
		got := c.ask(t, name, fmt.Sprintf("cd %s && find .%s ! -perm 1000 -exec cat {} + 2>/dev/null; true", c.file(t, name).Brick.Dir, path))
		if got == strings.TrimSpace(text) {
			at = append(at, i)
		}
	}
	return len(at) == copies && at[0]%copies == 0 && at[2] == at[0]+2
}

// served tells whether every node answers with a file.
func (c *whole) served(t *testing.T, path, text string) bool {
	t.Helper()
	return !slices.ContainsFunc(c.names, func(name string) bool {
		code, body := c.get(t, name, path)
		return code != 200 || body != text
	})
}

// bareBelow looks for what was written where the volume was not mounted.
func (c *whole) bareBelow(t *testing.T, name string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(c.lab.Written(name), c.file(t, name).Gluster.Mount))
	if len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s has under its mount point %v, %v", name, entries, err)
	}
}

// listing is what there is in a folder: for each path, from there, its kind and the
// SHA-256 of a file or the target of a link.
type listing map[string]string

// brick lists a node's brick.
func (c *whole) brick(t *testing.T, name string) listing {
	t.Helper()
	const script = `cd %s && find . -name '.glusterfs*' -prune -o -type d -printf 'dir\t%%P\n' -o -type l -printf 'link %%l\t%%P\n' &&
		find . -name '.glusterfs*' -prune -o -type f ! -perm 1000 -printf '%%P\0' | xargs -0r sha256sum | sed 's/^\([0-9a-f]*\)  /file \1\t/'`
	is := listing{}
	for line := range strings.Lines(c.ask(t, name, fmt.Sprintf(script, c.file(t, name).Brick.Dir))) {
		what, path, found := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !found {
			t.Fatalf("%s lists %q", name, line)
		}
		is[path] = what
	}
	return is
}

// holdAll compares the bricks with what was written, and with each other.
func (c *whole) holdAll(t *testing.T, written listing) {
	t.Helper()
	first := c.brick(t, c.names[0])
	for _, name := range c.names {
		is := c.brick(t, name)
		if diff := cmp.Diff(first, is); diff != "" {
			t.Errorf("the bricks of %s and %s (-first +second):\n%.3000s", c.names[0], name, diff)
		}
		maps.DeleteFunc(is, func(path, _ string) bool { return written[path] == "" })
		if diff := cmp.Diff(written, is); diff != "" {
			t.Errorf("the brick of %s (-written +is):\n%.3000s", name, diff)
		}
	}
}

// healed tells whether gluster of a node has nothing to heal on any brick.
func (c *whole) healed(t *testing.T, name string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	volume := c.file(t, name).Gluster
	h, err := gluster.Client{Runner: on{c.lab, name}}.HealInfo(ctx, volume.Volume)
	return err == nil && len(h) == len(volume.Members) && h.Healed()
}

// waitHealed waits for that, and tells how long it took. It looks seldom: each look
// goes through all that there is to heal.
func (c *whole) waitHealed(t *testing.T, name string) time.Duration {
	t.Helper()
	began := time.Now()
	for !c.healed(t, name) {
		if time.Since(began) > healLimit {
			t.Fatalf("after %v there still is something to heal: %s", healLimit, c.try(name, "gluster volume heal volpi info"))
		}
		time.Sleep(2 * time.Second)
	}
	return time.Since(began)
}
