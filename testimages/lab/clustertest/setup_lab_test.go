//go:build lab

package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/testimages/lab/cluster"
	"berries/testimages/lab/labtest"
)

// The limits of what nodes do by themselves, on a busy machine.
const (
	setUpLimit = 5 * time.Minute // with all packages to be installed
	askLimit   = time.Minute
	healLimit  = 5 * time.Minute // for some thousand files, and half of what gluster takes by itself
)

// whole is a cluster in its lab, and a visitor who looks at it.
type whole struct {
	lab    *cluster.Lab
	names  []string
	chance *rand.Rand
	web    *http.Client // the visitor's, at home
	// customer is a visitor's on the internet, where there is one.
	customer *http.Client
	onlooker *cluster.Stranger // who has the status page open at home, where there is one
	files    map[string]node.File
	writes   int           // how many files a convergence has left behind
	site     listing       // what else is in the volume
	setUp    time.Duration // how long the cluster took to be set up, without a cut
}

// begin makes a lab of these nodes, whose images are in a folder, all of them off.
func begin(t *testing.T, images string, names ...string) *whole {
	t.Helper()
	l, err := cluster.New(t.Context(), filepath.Join(t.TempDir(), "lab"), labtest.Images(images, names...)...)
	if err != nil {
		t.Fatal(err)
	}
	c := &whole{lab: l, names: names, files: map[string]node.File{}}
	t.Cleanup(func() {
		if t.Failed() {
			c.explain(t)
		}
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	seed := number(t, "BERRY_SEED", int(time.Now().UnixNano()&0xffffff))
	t.Logf("BERRY_SEED=%d", seed)
	c.chance = rand.New(rand.NewPCG(uint64(seed), 0))
	s, err := l.Attach(t.Context(), "visitor", netip.MustParseAddr("192.168.2.210"))
	if err != nil {
		t.Fatal(err)
	}
	c.web = visitor(l.Namespace(s.Name))
	return c
}

// build builds the images of nodes of one of the example profiles. It gives their
// folder.
func build(t *testing.T, profile string, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, file := range []string{filepath.Join("../../../profiles/clusters", profile),
		filepath.Join(labtest.Folder(t), "id.pub"), filepath.Join(labtest.Folder(t), "ddns-password")} {
		data, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	args := append([]string{"build", filepath.Join(dir, profile), "-o", dir, "--base", os.Getenv("BERRY_BASE")}, names...)
	if _, err := (host.Exec{}).Run(t.Context(), host.Command(os.Getenv("BERRY_BIN"), args...)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// number is a number from the environment.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		t.Fatalf("%s=%s: want a number", name, text)
	}
	return n
}

// long tells whether all is asked for that takes long.
func long() bool { return os.Getenv("BERRY_LONG") != "" }

// explain tells where the nodes stand, and how they have come there.
func (c *whole) explain(t *testing.T) {
	for _, name := range c.names {
		s, err := c.lab.State(context.Background(), name)
		t.Logf("%s: %+v, %v\n%s", name, s, err, c.try(name, "journalctl --no-pager -o short-precise -u berry-firstboot -u glusterd -u apache2 | grep -v ' ran .* .ok' | tail -n 8"))
		const script = "cat /etc/hosts; ls -la /var/lib/berry; gluster --mode=script peer status; gluster --mode=script volume status; " +
			"tail -n 25 /var/log/glusterfs/glusterd.log; grep '^\\[' /var/log/glusterfs/mnt-www.log | tail -n 20; journalctl --no-pager -o short-precise -u berry-firstboot -u glusterd -u apache2"
		labtest.Keep(t, name, c.try(name, script))
	}
}

// each does something to several nodes at once.
func each(t *testing.T, do func(context.Context, string) error, names ...string) {
	t.Helper()
	var all errgroup.Group
	for _, name := range names {
		all.Go(func() error { return do(t.Context(), name) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
}

// ready waits until nodes say that they are ready.
func (c *whole) ready(t *testing.T, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), setUpLimit, fmt.Errorf("not within %v", setUpLimit))
	defer cancel()
	if err := c.lab.WaitReady(ctx, names...); err != nil {
		t.Fatal(err)
	}
}

// ask runs a shell script on a node, and gives what it printed.
func (c *whole) ask(t *testing.T, name, script string) string {
	t.Helper()
	return c.askFor(t, askLimit, name, script)
}

// askFor is ask for a script that may take that long.
func (c *whole) askFor(t *testing.T, limit time.Duration, name, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	res, err := c.lab.Exec(ctx, name, "sh", "-c", script)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.TrimSpace(string(res.Stdout))
}

// file is the node file of a node that is on.
func (c *whole) file(t *testing.T, name string) node.File {
	t.Helper()
	if _, known := c.files[name]; !known {
		f, err := node.Decode([]byte(c.ask(t, name, "cat "+node.Path)))
		if err != nil {
			t.Fatal(err)
		}
		c.files[name] = f
	}
	return c.files[name]
}

// within waits until something holds, and tells how long that took.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for ; !holds(); time.Sleep(200 * time.Millisecond) {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
	}
	return time.Since(began)
}

// seconds is a duration for the log.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// on runs commands on a node.
type on struct {
	lab  *cluster.Lab
	name string
}

// Run implements host.Runner.
func (o on) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	c, err := o.lab.Command(o.name, append([]string{cmd.Name}, cmd.Args...)...)
	if err != nil {
		return host.Result{}, err
	}
	c.Stdin = cmd.Stdin
	return host.Exec{}.Run(ctx, c)
}
