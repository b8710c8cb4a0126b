//go:build lab

package clustertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/testimages/lab/cluster"
	"berries/testimages/lab/labtest"
)

// balancer is the node that visitors come to.
const balancer = "balancer"

// TestFiveLab sets up the five nodes of the example, in their houses and on the internet,
// with nobody typing, and does to them what happens to such a cluster.
func TestFiveLab(t *testing.T) {
	c := begin(t, labtest.Folder(t), "cluster01", "cluster02", "cluster03", remote, balancer)
	c.names = others(c.names, balancer)
	c.outside(t)
	for _, part := range []struct {
		name string
		long bool // only where it may take long
		do   func(*testing.T, *whole)
	}{
		{"five nodes set themselves up, and four of them serve visitors", false, setUpFive},
		{"the operator at home sees all five, and gets no secret", false, operated},
		{"the status page shows that a node dies, and comes back", false, shown},
		{"files come and go at the remote as they do at home", false, mirrored},
		{"from the internet nothing is open but the balancer", false, scanned},
		{"the remote's router gets another address", true, reconnected},
		{"visitors do not notice that a node dies", false, visitedWhileNodesDie},
		{"the provider of dynamic DNS refuses, and is away", true, providerTrouble},
		{"a key of a storage node opens nothing else", false, keyHolder},
		{"what the remote misses while it is off comes when it is back", true, remoteOff},
		{"what is written while the houses cannot reach each other comes afterwards", true, houseOffline},
		{"a session that begins while the houses cannot reach each other goes on afterwards", true, startsOffline},
		{"another node goes on when the active one dies", true, activeDies},
		{"sessions that are stopped and started under writes are proved", true, stopsAndStarts},
		{"the copy's brick is full, and then is not", true, copyFull},
		{"a new card of a storage node is taken in, and the session goes on", true, newStorageCard},
		{"a new card of the remote gets everything again, and serves nobody before", true, newRemoteCard},
	} {
		if part.long && !long() {
			continue
		}
		began := time.Now()
		if !t.Run(part.name, func(t *testing.T) { part.do(t, c) }) {
			c.explainCopy(t)
			return
		}
		t.Logf("%s: %s", part.name, seconds(time.Since(began)))
	}
}

// outside has the visitor come from the internet.
func (c *whole) outside(t *testing.T) {
	t.Helper()
	s, err := c.lab.Attach(t.Context(), "customer", netip.MustParseAddr("198.51.100.210"))
	if err != nil {
		t.Fatal(err)
	}
	c.customer = visitor(c.lab.Namespace(s.Name))
	c.customer.Timeout = time.Minute // a browser's is longer
}

// ofSite asks the balancer for a path, as visitors do. The code is 0 where nobody answers.
func (c *whole) ofSite(t *testing.T, path string) (code int, body string) {
	t.Helper()
	w, err := c.lab.World()
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.customer.Get("http://" + w.Names["host.example.net"].String() + path)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(text)
}

func setUpFive(t *testing.T, c *whole) {
	began, all := time.Now(), append([]string{balancer}, c.names...)
	if long() {
		c.houses(t, false)
	}
	each(t, c.lab.Start, all...)
	for _, name := range all {
		c.file(t, name)
	}
	says(c.atHome(t, "cluster01"), "nodes are ready", "coming-up")
	if long() {
		c.ready(t, append([]string{balancer}, others(c.names, remote)...)...)
		t.Logf("four are ready after %s, while the remote's house is offline; cluster01 says: %s", seconds(time.Since(began)), c.copyOf("cluster01").Text())
		c.houses(t, true)
		began = time.Now()
	}
	c.ready(t, all...)
	t.Logf("all five are ready after %s", seconds(time.Since(began)))
	within(t, askLimit, "the site answers", func() bool { code, _ := c.ofSite(t, "/"); return code != 0 && code != http.StatusServiceUnavailable })
	t.Logf("the site answers after %s", seconds(time.Since(began)))
	c.ask(t, "cluster02", "echo written on cluster02 > /mnt/www/from-two.txt")
	within(t, copyLimit, "all four members serve", func() bool {
		turns := c.turns(t, "/from-two.txt", "written on cluster02\n")
		return len(turns) == len(c.names)
	})
	t.Logf("a file written on cluster02 is read from all four members after %s", seconds(time.Since(began)))
	turns := c.turns(t, "/from-two.txt", "written on cluster02\n")
	for _, name := range c.names {
		if got := turns[name]; got < 9 || got > 11 {
			t.Errorf("of 40 requests %s has answered %d: %v", name, got, turns)
		}
	}
	c.phases(t)
}

// turns asks the site for a path forty times, and tells how many of them each member has
// answered, as its log has it.
func (c *whole) turns(t *testing.T, path, want string) map[string]int {
	t.Helper()
	c.writes++
	mark := fmt.Sprintf("turn=%d", c.writes)
	for range 40 {
		if code, body := c.ofSite(t, path+"?"+mark); code != http.StatusOK || body != want {
			t.Logf("the site answers %d %q", code, body)
			return nil
		}
	}
	turns := map[string]int{}
	for _, name := range c.names {
		// Apache writes a line when the answer is out.
		var n int
		fmt.Sscan(c.ask(t, name, fmt.Sprintf("sleep 0.2; grep -ch '%s ' /var/log/apache2/*access.log | sort -n | tail -n 1", mark)), &n)
		if n > 0 {
			turns[name] = n
		}
	}
	return turns
}

// phases prints how long each step took on each node.
func (c *whole) phases(t *testing.T) {
	t.Helper()
	names := append(slices.Clone(c.names), balancer)
	took := map[string]map[string]float64{}
	var order []string
	for _, name := range names {
		s, err := c.lab.Status(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range s.Steps {
			if took[step.Name] == nil {
				took[step.Name] = map[string]float64{}
				order = append(order, step.Name)
			}
			took[step.Name][name] = step.Seconds
		}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%-10s", "seconds")
	for _, name := range names {
		fmt.Fprintf(&text, "%11s", name)
	}
	for _, step := range order {
		fmt.Fprintf(&text, "\n%-10s", step)
		for _, name := range names {
			if s, has := took[step][name]; has {
				fmt.Fprintf(&text, "%11.1f", s)
			} else {
				fmt.Fprintf(&text, "%11s", "-")
			}
		}
	}
	t.Log("\n" + text.String())
}

// scanned tries every TCP port of both routers and of the balancer.
func scanned(t *testing.T, c *whole) {
	w, err := c.lab.World()
	if err != nil {
		t.Fatal(err)
	}
	dial := c.customer.Transport.(*http.Transport).DialContext
	for _, target := range []struct {
		what    string
		address netip.Addr
		want    []int
	}{
		{"the router at home", c.router(t, "cluster01"), nil},
		{"the router of " + remote, c.router(t, remote), nil},
		{balancer, w.Names["host.example.net"], []int{22, 80}},
	} {
		began := time.Now()
		open := scan(t, dial, target.address)
		t.Logf("of all TCP ports of %s (%s) are open: %v (%s)", target.what, target.address, open, seconds(time.Since(began)))
		// What nodes of ours listen at for each other answers strangers with nothing.
		open = slices.DeleteFunc(open, func(port int) bool { return target.what == balancer && port == peersPort })
		if !slices.Equal(open, target.want) {
			t.Errorf("of %s are open %v, want %v", target.what, open, target.want)
		}
	}
}

// peersPort is where berry-firstboot answers nodes of the cluster.
const peersPort = 24017

// router is the address of the router of a node's house on the internet.
func (c *whole) router(t *testing.T, name string) netip.Addr {
	t.Helper()
	address, err := c.lab.Public(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func scan(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), address netip.Addr) (open []int) {
	t.Helper()
	var all errgroup.Group
	all.SetLimit(64)
	var mu sync.Mutex
	for port := 1; port <= 65535; port++ {
		all.Go(func() error {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, err := dial(ctx, "tcp4", netip.AddrPortFrom(address, uint16(port)).String())
			switch {
			case err == nil:
				conn.Close()
				mu.Lock()
				defer mu.Unlock()
				open = append(open, port)
				return nil
			case errors.Is(err, syscall.ECONNREFUSED):
				return nil
			}
			return fmt.Errorf("port %d: %w", port, err)
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
	slices.Sort(open)
	return open
}

// reconnected gives the remote's router another address, as a provider of DSL does.
func reconnected(t *testing.T, c *whole) {
	began := time.Now()
	address, err := c.lab.Reconnect(t.Context(), remote)
	if err != nil {
		t.Fatal(err)
	}
	name := c.files[remote].DDNS.Host
	took := within(t, 8*time.Minute, "the name follows", func() bool {
		names, err := c.lab.Dynamic()
		return err == nil && names[name] == address
	})
	t.Logf("%s leads to %s %s after the router has it", name, address, seconds(took))
	t.Logf("a file written on cluster03 is served by %s after %s", remote, seconds(c.arrives(t, "cluster03")))
	within(t, copyLimit, "all four members serve", func() bool {
		return len(c.turns(t, "/from-two.txt", "written on cluster02\n")) == len(c.names)
	})
	t.Logf("the balancer sends visitors to all four %s after the router has another address", seconds(time.Since(began)))
}

// visitedWhileNodesDie has 2,000 requests answered while a node dies, for a storage node
// and for the remote one.
func visitedWhileNodesDie(t *testing.T, c *whole) {
	const requests, every = 2000, 15 * time.Millisecond
	names := []string{"cluster02"}
	if long() {
		names = append(names, remote)
	}
	for _, name := range names {
		var mu sync.Mutex
		counts, slowest := map[string]int{}, time.Duration(0)
		var all errgroup.Group
		began := time.Now()
		for i := range requests {
			all.Go(func() error {
				began := time.Now()
				code, body := c.ofSite(t, "/from-two.txt")
				what := fmt.Sprint(code)
				if code == http.StatusOK && body != "written on cluster02\n" {
					what = fmt.Sprintf("200 with %q", body)
				}
				mu.Lock()
				defer mu.Unlock()
				counts[what]++
				slowest = max(slowest, time.Since(began))
				return nil
			})
			if i == requests/4 {
				go c.lab.Cut(t.Context(), name)
			}
			time.Sleep(every)
		}
		all.Wait()
		t.Logf("%s is cut amid %d requests in %s: %v, the slowest took %s", name, requests, seconds(time.Since(began)), counts, seconds(slowest))
		if counts["200"] != requests {
			t.Errorf("%d of %d requests failed", requests-counts["200"], requests)
		}
		each(t, c.lab.Start, name)
		c.ready(t, name)
		within(t, copyLimit, "all four members serve again", func() bool {
			return len(c.turns(t, "/from-two.txt", "written on cluster02\n")) == len(c.names)
		})
	}
}

// providerTrouble has the provider refuse the password, and be away, when the address
// changes.
func providerTrouble(t *testing.T, c *whole) {
	change := func(do func(*cluster.World)) {
		t.Helper()
		if err := c.lab.ChangeWorld(do); err != nil {
			t.Fatal(err)
		}
	}
	password := c.files[remote].DDNS.Password
	const badauth = "badauth"
	for _, trouble := range []struct {
		what     string
		refused  bool // in the provider's word for it
		do, undo func(*cluster.World)
	}{
		{"another password", true, func(w *cluster.World) { w.Accounts[0].Password += "x" }, func(w *cluster.World) { w.Accounts[0].Password = password }},
		{"a provider that is away", false, func(w *cluster.World) { w.Down = true }, func(w *cluster.World) { w.Down = false }},
	} {
		change(trouble.do)
		// ddclient is asked anew at a start, as after a power cut.
		c.ask(t, remote, "rm -f /var/lib/berry/ddclient.json /var/cache/ddclient/ddclient.cache; systemctl restart berry-firstboot --no-block")
		var words string
		within(t, 3*time.Minute, "the status says it", func() bool {
			s, err := c.lab.Status(remote)
			if err != nil {
				t.Fatal(err)
			}
			words = s.Summary()
			return s.Ready && strings.Contains(words, "ddclient: ") && strings.Contains(words, badauth) == trouble.refused
		})
		t.Logf("%s: %s", trouble.what, words)
		t.Logf("a file written on cluster01 is served by %s all the same after %s", remote, seconds(c.arrives(t, "cluster01")))
		change(trouble.undo)
	}
	took := within(t, 8*time.Minute, "the name is kept again", func() bool {
		s, err := c.lab.Status(remote)
		return err == nil && s.Ready && !strings.Contains(s.Summary(), "ddclient: ")
	})
	t.Logf("the name is kept again %s after the provider is back", seconds(took))
}

// houseOffline cuts the remote's house off amid a session.
// houses has the remote's house reach the others, or not.
func (c *whole) houses(t *testing.T, online bool) {
	t.Helper()
	if err := c.lab.Offline(t.Context(), remote, !online); err != nil {
		t.Fatal(err)
	}
}

func houseOffline(t *testing.T, c *whole) {
	c.houses(t, false)
	c.ask(t, "cluster01", "echo offline > /mnt/www/offline.txt; mv /mnt/www/site/a/160.html /mnt/www/site/while-offline.html")
	time.Sleep(90 * time.Second)
	if code, body := c.ofSite(t, "/offline.txt"); code != http.StatusOK || body != "offline\n" {
		t.Errorf("the site answers %d %q", code, body)
	}
	t.Logf("cluster01 says: %s", c.copyOf("cluster01").Text())
	began := time.Now()
	c.houses(t, true)
	within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("all is alike %s after the house is online again", seconds(time.Since(began)))
}

// copyFull fills the remote's brick. Its own node file says where that is.
func copyFull(t *testing.T, c *whole) {
	brick := c.files[remote].Brick.Mount
	c.ask(t, remote, fmt.Sprintf("fallocate -l $(($(df --output=avail -B1 %[1]s | tail -n 1) - (1<<20))) %[1]s/filler", brick))
	c.ask(t, "cluster01", "head -c 30000000 /dev/urandom > /mnt/www/large.bin")
	var said string
	within(t, copyLimit, "the status says that the copy lacks something", func() bool {
		time.Sleep(time.Second)
		said = c.copyOf("cluster01").Text()
		return strings.Contains(said, remote+" has no room left")
	})
	t.Logf("cluster01 says: %s", said)
	if code, _ := c.ofSite(t, "/from-two.txt"); code != http.StatusOK {
		t.Errorf("the site answers %d", code)
	}
	began := time.Now()
	c.ask(t, remote, "rm "+brick+"/filler")
	within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("all is alike %s after there is room again", seconds(time.Since(began)))
}
