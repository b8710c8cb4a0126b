//go:build chromium

package page_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/page"
	"berries/firstboot/page/pagetest"
	"berries/firstboot/report"
	"berries/firstboot/status"
)

// cluster is the Reporter of cluster01, in a cluster of five.
type cluster struct {
	mu    sync.Mutex
	nodes []report.Node
}

func (c *cluster) Cluster(context.Context) report.Cluster {
	c.mu.Lock()
	defer c.mu.Unlock()
	return report.Cluster{Name: "berries", From: "cluster01", Nodes: slices.Clone(c.nodes)}
}

func (c *cluster) become(nodes ...report.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes = nodes
}

// reported is a node that tells of itself what a real one does.
func reported(name, role, address, words string, edit func(*report.Report)) report.Node {
	r := &report.Report{
		Status: status.Status{Cluster: "berries", Node: name, Role: role, Ready: strings.HasPrefix(words, "ready")}, Words: words,
		Addresses: []netip.Addr{netip.MustParseAddr(address), netip.MustParseAddr("fe80::d83a:ddff:fe1b:77c1")},
		Versions:  map[string]string{"berry-firstboot": "v0.0.0-20261127182313-4a1109f01bee", "glusterfs": "11.1", "linux": "6.12.47+rpt-rpi-2712"},
	}
	if edit != nil {
		edit(r)
	}
	return report.Node{Name: name, Role: role, Report: r}
}

// serving is a storage node that does all it should.
func serving(i int, session string) report.Node {
	return reported(fmt.Sprintf("cluster%02d", i), node.Storage, fmt.Sprintf("192.168.2.%d", i+4), "ready", func(r *report.Report) {
		r.Brick, r.Heal = &report.Brick{State: report.Online, Used: 5 << 30, Size: 54 << 30}, new(int)
		r.GeoRep, r.Web = &report.GeoRep{State: session}, &report.Web{Port: 8080 + i, Code: 200, Serving: true}
	})
}

func copying() report.Node {
	return reported("cluster04", node.Remote, "192.168.178.20", "ready, but: ports: forward by hand: TCP 8480 to 192.168.178.20 port 8480", func(r *report.Report) {
		r.Brick = &report.Brick{State: report.Online, Used: 5 << 30, Size: 54 << 30}
		r.GeoRep, r.Web = &report.GeoRep{State: report.Whole}, &report.Web{Port: 8480, Code: 200, Serving: true}
	})
}

func balancing() report.Node {
	return reported("balancer", node.Balancer, "203.0.113.7", "ready", func(r *report.Report) { r.Web = &report.Web{Port: 80, Code: 301, Serving: true} })
}

func silent(name, role, why string) report.Node {
	return report.Node{Name: name, Role: role, Silent: why}
}

// comingUp is how a cluster looks a minute after it was powered on.
func comingUp() []report.Node {
	return []report.Node{
		reported("cluster01", node.Storage, "192.168.2.5", "step 5/10 peers: waiting for cluster03", nil),
		reported("cluster02", node.Storage, "192.168.2.6", "step 3/10 packages: installing glusterfs-server and 41 more", nil),
		silent("cluster03", node.Storage, "cannot ask cluster03 for /report: it is silent"),
		reported("cluster04", node.Remote, "192.168.178.20", "step 2/9 card: failed: no partition of /dev/mmcblk0 is labelled berry-brick", func(r *report.Report) {
			r.Status.Steps = []status.Step{{Name: "card", State: status.Failed}}
		}),
		balancing(),
	}
}

func allReady() []report.Node {
	return []report.Node{serving(1, "Active"), serving(2, "Passive"), serving(3, "Passive"), copying(), balancing()}
}

// oneDead is what cluster01 knows when cluster02 has lost its power.
func oneDead() []report.Node {
	nodes := allReady()
	nodes[1] = silent("cluster02", node.Storage, "cannot ask cluster02 for /report: Get \"https://cluster02/report\": dial tcp 192.168.2.6:24017: connect: no route to host")
	*nodes[0].Report.Heal = 12
	return nodes
}

// shown has the page of cluster01 at an address until the function that it returns is
// called.
func shown(t *testing.T, c *cluster, at string) (address string, end func()) {
	t.Helper()
	listener, err := net.Listen("tcp4", at)
	if err != nil {
		t.Fatal(err)
	}
	h := hosttest.New(t, nil)
	h.Host.Clock = host.Wall{}
	h.Host.Listen = func(context.Context, netip.AddrPort) (net.Listener, error) { return listener, nil }
	f := node.File{Name: "cluster01", Role: node.Storage, Nodes: []node.Node{{Name: "cluster01"}}, StatusPage: &node.StatusPage{Port: 24018}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		page.New(h.Host, f, c).Run(ctx, func(err error) { t.Error(err) })
	}()
	end = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(end)
	return listener.Addr().String(), end
}

// both keeps pictures for a phone and for a desk.
func both(b *pagetest.Browser, name string) {
	b.Picture("page-"+name+"-phone", pagetest.Phone)
	b.Picture("page-"+name+"-desk", pagetest.Desk)
}

const says = `document.querySelector("main").innerText.includes(%q)`

func TestThePageFollowsTheClusterInChromium(t *testing.T) {
	c := &cluster{}
	c.become(comingUp()...)
	at, end := shown(t, c, "127.0.0.1:0")
	b := pagetest.Open(t)
	b.Visit("http://" + at + "/")
	b.Until("the page is live", fmt.Sprintf(says, "Live, "))
	both(b, "coming-up")
	pagetest.Value[int](b, "window.loadedOnce = 1")

	c.become(allReady()...)
	b.Until("all are ready", fmt.Sprintf(says, "all 5 nodes are ready"))
	both(b, "ready")
	c.become(oneDead()...)
	began := time.Now()
	b.Until("one is silent", fmt.Sprintf(says, "4 of 5 nodes are ready; silent: cluster02"))
	t.Logf("the page shows what has changed after %.1f s", time.Since(began).Seconds())
	if text := pagetest.Value[string](b, `document.querySelector("[data-name=cluster02]").innerText`); !strings.Contains(text, "no route to host") {
		t.Errorf("of the dead node the page says\n%s", text)
	}
	if title := pagetest.Value[string](b, "document.title"); title != "berries: 4 of 5 nodes are ready; silent: cluster02" {
		t.Errorf("the tab's title is %s", title)
	}
	both(b, "one-dead")
	b.Dark(true)
	both(b, "one-dead-dark")
	b.Dark(false)
	if pagetest.Value[int](b, "window.loadedOnce || 0") != 1 {
		t.Error("the page was loaded anew")
	}
	if troubles := b.Troubles(); len(troubles) > 0 {
		t.Errorf("the browser complains: %q", troubles)
	}

	end()
	b.Until("the page says that it is old", fmt.Sprintf(says, "what is shown is old"))
	both(b, "node-gone")
	c.become(allReady()...)
	shown(t, c, at)
	b.Until("it is live again", fmt.Sprintf(says, "Live, ")+" && "+fmt.Sprintf(says, "all 5 nodes are ready"))
}

// Who reads aloud finds a table on a phone, too, where it does not look like one.
func TestThePageIsATableAtEveryWidth(t *testing.T) {
	c := &cluster{}
	c.become(allReady()...)
	at, _ := shown(t, c, "127.0.0.1:0")
	b := pagetest.Open(t)
	b.Visit("http://" + at + "/")
	for width, cells := range map[int]int{pagetest.Phone: 31, pagetest.Desk: 35} { // four do not apply
		b.Picture("page-table", width)
		want := map[string]int{"table": 1, "row": 6, "columnheader": 8, "rowheader": 5, "cell": cells, "status": 1, "heading": 1}
		got := b.Roles()
		for role := range got {
			if _, counts := want[role]; !counts {
				delete(got, role)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d pixels wide (-want +got):\n%s", width, diff)
		}
	}
}

func TestThePageWorksWithoutAScript(t *testing.T) {
	c := &cluster{}
	c.become(comingUp()...)
	at, _ := shown(t, c, "127.0.0.1:0")
	b := pagetest.Open(t)
	b.WithoutScript()
	b.Visit("http://" + at + "/")
	b.Until("it says how it is kept up to date", fmt.Sprintf(says, "loaded anew every ten seconds"))
	both(b, "without-script")
	c.become(allReady()...)
	b.Until("all are ready", fmt.Sprintf(says, "all 5 nodes are ready"))
	if troubles := b.Troubles(); len(troubles) > 0 {
		t.Errorf("the browser complains: %q", troubles)
	}
}
