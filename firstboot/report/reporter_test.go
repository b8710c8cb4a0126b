package report

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// network is what the peer service has found.
type network struct {
	answers map[string]string // of other nodes; others are silent
}

func (n *network) Addresses() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("192.168.2.5")}
}

func (n *network) Fetch(_ context.Context, name, path string) (io.ReadCloser, error) {
	text, there := n.answers[name]
	if !there {
		return nil, errors.New("cannot ask " + name + " for " + path + ": it is\nsilent")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

var now = time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)

// at is a clock that stands, until it is moved.
type at struct{ time.Time }

func (a *at) Now() time.Time                                   { return a.Time }
func (a *at) Sleep(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }

func storage() node.File {
	return node.File{
		Cluster: "berries", Name: "cluster01", Role: node.Storage,
		Nodes:   []node.Node{{Name: "cluster01", Role: node.Storage}, {Name: "cluster04", Role: node.Remote}, {Name: "balancer", Role: node.Balancer}},
		Brick:   &node.Brick{Mount: "/export", Dir: "/export/brick"},
		Gluster: &node.Gluster{Volume: "volpi", Mount: "/mnt/www", Members: []node.Member{{Name: "cluster01"}, {Name: "cluster02"}, {Name: "cluster03"}}},
		Web:     &node.Web{Port: 8081},
		GeoRep:  &node.GeoRep{Remote: "cluster04", Key: "-----BEGIN secret"},
		Tunnel:  &node.Tunnel{Key: "secret", Ends: []node.End{{Name: "cluster01", Address: "10.83.0.1"}}},
	}
}

const session = "/var/lib/glusterd/geo-replication/volpi_cluster04_volpi/"

// atWork is a storage node on which all is well.
func atWork() map[string]string {
	return map[string]string{
		"/proc/uptime":               "350735.47 234388.90\n",
		"/proc/sys/kernel/osrelease": "6.12.34+rpt-rpi-v8\n",
		"/proc/self/mountinfo":       "1 1 8:3 / /export rw - ext4 /dev/mmcblk0p3 rw\n",
		"/run/gluster/vols/volpi/cluster01-export-brick.pid": "812\n",
		"/proc/812/cmdline": "/usr/sbin/glusterfsd\x00--brick-name\x00/export/brick\x00-l\x00/var/log/x\x00",
		"/export/brick/.glusterfs/indices/xattrop/xattrop-5a4a": "",
		status.Path:                `{"node":"cluster01","ready":true}`,
		status.CopyPath:            `{"remote":"cluster04","watcher":"cluster01","proven":"2026-11-27T09:58:30Z"}`,
		session + "monitor.status": "Started",
		session + "brick_%2Fexport%2Fbrick.status": `{"worker_status":"Active","entry":0}`,
	}
}

var room = hosttest.Exchange{Cmd: "df --block-size=1 --output=used,size /export", Stdout: "  Used  1B-blocks\n1000 30000\n"}

// reporter is of a node with these files.
func reporter(t *testing.T, f node.File, files map[string]string, transcript ...hosttest.Exchange) (*Reporter, *network) {
	h := hosttest.New(t, files, transcript...)
	h.Host.Clock = &at{now}
	h.Host.HTTP = hosttest.Server(func(r *http.Request) (int, string) {
		if r.URL.String() != "http://127.0.0.1:8081/health" {
			t.Errorf("Apache is asked for %s", r.URL)
		}
		return 200, ""
	})
	n := &network{answers: map[string]string{}}
	state := func() peers.State {
		return peers.State{Step: "ready", Ready: true, Versions: map[string]string{"glusterfs": "11.1"}}
	}
	return New(h.Host, f, state, n), n
}

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestAStorageNodeThatIsWell(t *testing.T) {
	r, _ := reporter(t, storage(), atWork(), room)
	none := 0
	want := Report{
		Status: status.Status{Node: "cluster01", Ready: true}, Words: "ready", Made: now, Uptime: 350735.47,
		Addresses: []netip.Addr{netip.MustParseAddr("192.168.2.5"), netip.MustParseAddr("10.83.0.1")},
		Versions:  map[string]string{"glusterfs": "11.1", "linux": "6.12.34+rpt-rpi-v8"},
		Brick:     &Brick{State: Online, Used: 1000, Size: 30000}, Heal: &none,
		GeoRep: &GeoRep{State: "Active"}, Web: &Web{Port: 8081, Code: 200, Serving: true},
	}
	got := r.Report(t.Context())
	if diff := cmp.Diff(want, got, sameAddr); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(got, r.Report(t.Context()), sameAddr); diff != "" { // df is not run again
		t.Errorf("the same report again (-want +got):\n%s", diff)
	}
}

func TestWhatIsNotWell(t *testing.T) {
	tests := map[string]struct {
		edit func(files map[string]string)
		want string // of the report, as JSON
	}{
		"the brick's process has ended":   {func(f map[string]string) { delete(f, "/proc/812/cmdline") }, `"state":"offline","used":1000`},
		"its number is another process's": {func(f map[string]string) { f["/proc/812/cmdline"] = "sh\x00" }, `"state":"offline","used":1000`},
		"files wait to be healed":         {func(f map[string]string) { f["/export/brick/.glusterfs/indices/xattrop/9c"] = "" }, `"heal":1`},
		"geo-replication was stopped":     {func(f map[string]string) { f[session+"monitor.status"] = "Stopped\n" }, `{"state":"Stopped","words":""}`},
		"there is no session yet":         {func(f map[string]string) { delete(f, session+"monitor.status") }, `"heal":0,"web"`},
		"gsyncd's own file is broken":     {func(f map[string]string) { f[session+"brick_%2Fexport%2Fbrick.status"] = "\x00" }, `{"state":"Started","words":""}`},
		"nothing was proved for long":     {func(f map[string]string) { f[status.CopyPath] = `{"remote":"cluster04","watcher":"cluster02"}` }, `"words":"copy at cluster04: nothing is known to have arrived yet (proved by cluster02)"`},
		"the step georep has failed": {func(f map[string]string) {
			f[status.Path] = `{"steps":[{"name":"georep","state":"failed","error":"cluster04 does not answer"}]}`
		}, `"words":"cluster04 does not answer"`},
		"the status file is broken, as after a cut": {func(f map[string]string) { f[status.Path] = "\x00" }, `"cluster":"berries","node":"cluster01"`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := atWork()
			tt.edit(files)
			r, _ := reporter(t, storage(), files, room)
			text, err := json.Marshal(r.Report(t.Context()))
			if err != nil || !strings.Contains(string(text), tt.want) {
				t.Errorf("got %s, %v, want %s in it", text, err, tt.want)
			}
		})
	}
}

func TestTheCopyAtTheRemoteNode(t *testing.T) {
	f := storage()
	f.Role, f.GeoRep, f.Secondary, f.Gluster.Members = node.Remote, nil, &node.Secondary{}, f.Gluster.Members[:1]
	const record = "/var/lib/glusterd/vols/volpi/info"
	sentinel := func(written string) string { return `{"written":"` + written + `"}` }
	tests := map[string]struct {
		edit func(files map[string]string)
		want *GeoRep
	}{
		"all is there":                 {func(map[string]string) {}, &GeoRep{State: Whole}},
		"there is no volume yet":       {func(f map[string]string) { delete(f, record) }, nil},
		"it is another volume's":       {func(f map[string]string) { f[record] = "volume-id=22\n" }, &GeoRep{Behind, "the copy is not whole yet, and is shown to nobody"}},
		"the first has no content yet": {func(f map[string]string) { f["/export/brick/.berry/sentinel"] = "" }, &GeoRep{Behind, "nothing is known to have arrived yet"}},
		"the last file is hours old":   {func(f map[string]string) { f["/export/brick/.berry/sentinel"] = sentinel("2026-11-27T08:00:00Z") }, &GeoRep{Behind, "nothing has arrived that was written after " + now.Add(-2*time.Hour).Local().Format(time.DateTime)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{
				"/proc/self/mountinfo": "", record: "type=0\nvolume-id=11\n",
				"/export/brick/.berry/whole-11": "", "/export/brick/.berry/sentinel": sentinel("2026-11-27T09:58:00Z"),
			}
			tt.edit(files)
			r, _ := reporter(t, f, files)
			got := r.Report(t.Context())
			if diff := cmp.Diff(tt.want, got.GeoRep); diff != "" || got.Heal != nil {
				t.Errorf("heal %v, copy (-want +got):\n%s", got.Heal, diff)
			}
		})
	}
}

func TestTheClusterAsOneNodeKnowsIt(t *testing.T) {
	r, others := reporter(t, storage(), atWork(), room)
	others.answers["cluster04"] = `{"words":"ready"}`
	c := r.Cluster(t.Context())
	if c.Name != "berries" || c.From != "cluster01" || len(c.Nodes) != 3 {
		t.Fatalf("got %+v", c)
	}
	own, remote, balancer := c.Nodes[0], c.Nodes[1], c.Nodes[2]
	if own.Name != "cluster01" || own.Report == nil || own.Report.Web == nil {
		t.Errorf("of itself: %+v", own)
	}
	if remote.Name != "cluster04" || remote.Role != node.Remote || remote.Report == nil || remote.Report.Words != "ready" {
		t.Errorf("of a node that answers: %+v", remote)
	}
	if want := "cannot ask balancer for /report: it is silent"; balancer.Silent != want || balancer.Report != nil {
		t.Errorf("of a node that does not: %+v, want %s", balancer, want)
	}
}

// A report is made anew when it is some seconds old, and not before, whoever asks.
func TestAReportIsKeptForSomeSeconds(t *testing.T) {
	r, others := reporter(t, storage(), atWork(), room, room)
	clock := r.h.Clock.(*at)
	ask := func() string {
		w := httptest.NewRecorder()
		r.All().ServeHTTP(w, httptest.NewRequest(http.MethodGet, ClusterPath, nil))
		return w.Body.String()
	}
	first := ask()
	others.answers["balancer"] = `{"words":"ready"}`
	clock.Time = now.Add(keep - 1)
	if got := ask(); got != first {
		t.Errorf("a report that is kept is another: %s", got)
	}
	clock.Time = now.Add(keep)
	if got := ask(); got == first || strings.Contains(got, "balancer for /report") {
		t.Errorf("a report that is old is kept: %s", got)
	}
}

func TestAReportHoldsNoSecret(t *testing.T) {
	r, _ := reporter(t, storage(), atWork(), room)
	text, err := json.Marshal(r.Cluster(t.Context()))
	if err != nil || strings.Contains(string(text), "secret") {
		t.Errorf("got %s, %v", text, err)
	}
}
