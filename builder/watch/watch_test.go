package watch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"berries/builder/secrets"
	"berries/builder/watch/watchtest"
	"berries/firstboot/redact"
	"berries/firstboot/report"
	"berries/firstboot/status"
	"berries/firstboot/support"

	"github.com/google/go-cmp/cmp"
)

var three = []Known{{Name: "n1", Role: "storage"}, {Name: "n4", Role: "remote"}, {Name: "lb", Role: "balancer"}}

// cluster is a cluster's secrets, in a folder of the test's own.
func cluster(t *testing.T) secrets.Folder {
	t.Helper()
	folder, err := secrets.Open(t.TempDir() + "/secrets")
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

// operator asks the nodes of a cluster, at these addresses.
func operator(t *testing.T, folder secrets.Folder, at ...string) *Client {
	t.Helper()
	ca, err := folder.CA()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := folder.OperatorCert()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	return New(Access{Cert: cert, CA: pool, Nodes: three, At: at})
}

func start(t *testing.T, folder secrets.Folder, n watchtest.Node) string {
	t.Helper()
	at, stop, err := n.Start(folder)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return at
}

// says is a cluster as one node tells it: of those with words it has a report.
func says(t *testing.T, from string, words map[string]string) map[string][]byte {
	t.Helper()
	text, err := json.Marshal(told(from, time.Time{}, words))
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]byte{report.ClusterPath: text}
}

func told(from string, made time.Time, words map[string]string) report.Cluster {
	c := report.Cluster{Name: "berries", From: from}
	for _, n := range three {
		is := report.Node{Name: n.Name, Role: n.Role}
		if w, has := words[n.Name]; has {
			is.Report = &report.Report{Words: w, Made: made, Status: status.Status{Ready: w == "ready"}}
		} else {
			is.Silent = "cannot ask " + n.Name + " for /report: it is silent"
		}
		c.Nodes = append(c.Nodes, is)
	}
	return c
}

// words are what nodes say, in one line.
func words(c report.Cluster) string {
	var list []string
	for _, n := range c.Nodes {
		if n.Report != nil {
			list = append(list, n.Name+" "+n.Report.Words)
		} else {
			list = append(list, n.Name+" silent ("+n.Silent+")")
		}
	}
	return strings.Join(list, ", ")
}

func TestWhatSeveralNodesTellIsMerged(t *testing.T) {
	early, late := time.Unix(100, 0), time.Unix(200, 0)
	tests := map[string]struct {
		told []report.Cluster
		want string
	}{
		"nobody": {nil, "n1 silent (nobody knows of it), n4 silent (nobody knows of it), lb silent (nobody knows of it)"},
		"one": {[]report.Cluster{told("n1", early, map[string]string{"n1": "ready"})},
			"n1 ready, n4 silent (n1 says: it is silent), lb silent (n1 says: it is silent)"},
		"what one does not reach, another does": {[]report.Cluster{
			told("n1", early, map[string]string{"n1": "ready", "n4": "ready"}), told("lb", early, map[string]string{"lb": "ready"})},
			"n1 ready, n4 ready, lb ready"},
		"the newest counts, whoever tells it": {[]report.Cluster{
			told("n1", late, map[string]string{"n4": "new"}), told("lb", early, map[string]string{"n4": "old"})},
			"n1 silent (lb says: it is silent), n4 new, lb silent (lb says: it is silent)"},
		"a node that the profile does not have comes last": {[]report.Cluster{{From: "n1", Nodes: []report.Node{{Name: "x", Report: &report.Report{Words: "ready"}}}}},
			"n1 silent (nobody knows of it), n4 silent (nobody knows of it), lb silent (nobody knows of it), x ready"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, words(Merge(three, tt.told))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodesAreAskedAtAnyAddress(t *testing.T) {
	folder := cluster(t)
	one := start(t, folder, watchtest.Node{Name: "n1", Says: says(t, "n1", map[string]string{"n1": "ready"})})
	remote := start(t, folder, watchtest.Node{Name: "n4", Says: says(t, "n4", map[string]string{"n4": "step 1/9 card: running"})})
	c := operator(t, folder, one, remote, "127.0.0.1:1")
	is, err := c.Settle(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	want := "n1 ready, n4 step 1/9 card: running, lb silent (n1 says: it is silent)"
	if diff := cmp.Diff(want, words(is)); diff != "" || is.From != "n1, n4" || Ready(is) {
		t.Errorf("from %q, ready %v (-want +got):\n%s", is.From, Ready(is), diff)
	}
}

func TestNobodyWithAnotherCertificateIsBelieved(t *testing.T) {
	ours, others := cluster(t), cluster(t)
	stranger := start(t, others, watchtest.Node{Name: "n1", Says: says(t, "n1", map[string]string{"n1": "ready"})})
	c := operator(t, ours, stranger)
	is, err := c.Look(t.Context())
	if !errors.Is(err, ErrNobody) || !strings.Contains(err.Error(), stranger) || is.Nodes[0].Report != nil {
		t.Errorf("it was believed: %v, %v", words(is), err)
	}
	// A node under another's name.
	n4 := start(t, ours, watchtest.Node{Name: "n4", Says: map[string][]byte{"/logs": []byte("x")}})
	c = operator(t, ours, n4)
	c.hint("lb", n4)
	if _, err := c.meet(t.Context(), "lb", n4); err == nil || !strings.Contains(err.Error(), "valid for n4, not lb") {
		t.Errorf("n4 was taken for lb: %v", err)
	}
}

func TestANodeIsReachedThroughAnother(t *testing.T) {
	folder := cluster(t)
	remote := start(t, folder, watchtest.Node{Name: "n4", Says: map[string][]byte{"/logs": []byte("of n4")}})
	one := start(t, folder, watchtest.Node{
		Name: "n1", Says: says(t, "n1", map[string]string{"n1": "ready", "n4": "ready"}),
		Relays: map[string]string{"n4": remote, "lb": remote},
	})
	c := operator(t, folder, one)
	if _, err := c.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c, "n4"); got != "of n4" {
		t.Errorf("n4 says %q", got)
	}
	if got := read(t, c, "lb"); !strings.Contains(got, "cannot ask lb: through n1: ") || !strings.Contains(got, "valid for n4, not lb") {
		t.Errorf("who is not lb says %q", got)
	}
	if got, want := read(t, c, "n9"), "cannot ask n9: through n1: 502 bad gateway: n9 is silent"; got != want {
		t.Errorf("n9 says %q, want %q", got, want)
	}
}

func read(t *testing.T, c *Client, name string) string {
	t.Helper()
	body, err := c.Get(t.Context(), name, "/logs")
	if err != nil {
		return err.Error()
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// packed is a bundle as a node sends it.
func packed(t *testing.T, files ...File) []byte {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o644, Size: int64(len(f.Data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestBundlesAreCollectedAndCleaned(t *testing.T) {
	folder := cluster(t)
	pair, err := folder.OperatorCert()
	if err != nil {
		t.Fatal(err)
	}
	private, err := folder.Private()
	if err != nil || len(private) == 0 {
		t.Fatalf("%d secrets: %v", len(private), err)
	}
	known := &redact.Redactor{}
	for _, secret := range private {
		known.Add(secret)
	}
	lines := bytes.Split(pair.Key, []byte("\n"))
	at := start(t, folder, watchtest.Node{Name: "n1", Says: map[string][]byte{
		report.ClusterPath: says(t, "n1", nil)[report.ClusterPath],
		support.BundlePath: packed(t, File{"logs/a.txt", append([]byte("a line of a key: "), lines[1]...)}, File{"b.txt", pair.Cert}),
	}})
	c := operator(t, folder, at)
	if _, err := c.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := c.Collect(t.Context(), []string{"n1", "n4"}, known, func(Collected) {})
	want := []File{{"n1/logs/a.txt", []byte("a line of a key: [secret]")}, {"n1/b.txt", pair.Cert}}
	if diff := cmp.Diff(want, got[0].Files); diff != "" || got[0].Err != nil {
		t.Errorf("of n1: %v (-want +got):\n%s", got[0].Err, diff)
	}
	if got[1].Err == nil || !strings.Contains(got[1].Err.Error(), "cannot ask n4") {
		t.Errorf("of n4: %v", got[1].Err)
	}
}

func TestABundleThatLeadsElsewhereIsRefused(t *testing.T) {
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x", "a//b", ".", `a\b`} {
		if _, err := unpack(bytes.NewReader(packed(t, File{name, nil})), "n1"); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	whole := packed(t, File{"a", []byte("text")})
	if _, err := unpack(bytes.NewReader(whole[:len(whole)-20]), "n1"); err == nil {
		t.Error("half a bundle was taken")
	}
}

// An address in another house takes connections to nowhere, for seconds.
func TestALookEndsWhenAllHaveBeenToldOf(t *testing.T) {
	folder := cluster(t)
	nowhere, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nowhere.Close() })
	one := start(t, folder, watchtest.Node{Name: "n1", Says: says(t, "n1", map[string]string{"n1": "ready", "n4": "ready", "lb": "ready"})})
	began := time.Now()
	is, err := operator(t, folder, one, nowhere.Addr().String()).Look(t.Context())
	if err != nil || !Ready(is) || time.Since(began) >= meets {
		t.Errorf("%s after %v, %v", words(is), time.Since(began), err)
	}
}

func TestALookEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := operator(t, cluster(t), "127.0.0.1:1").Look(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
