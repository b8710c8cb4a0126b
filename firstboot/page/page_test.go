package page

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/report"
)

// told is a Reporter that tells what it was told, and counts how often it is asked.
type told struct {
	mu    sync.Mutex
	is    report.Cluster
	asked atomic.Int32
}

func (r *told) Cluster(context.Context) report.Cluster {
	r.asked.Add(1)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.is
}

func (r *told) tell(nodes ...report.Node) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.is = report.Cluster{Name: "berries", From: "n1", Nodes: nodes}
}

// newServer is the page of n1, whose cluster is what the Reporter is told.
func newServer(t *testing.T) (*Server, *told) {
	t.Helper()
	h := hosttest.New(t, nil)
	h.Host.Clock = host.Wall{}
	f := node.File{Name: "n1", Role: node.Storage, Nodes: []node.Node{{Name: "n1"}, {Name: "n2"}}, StatusPage: &node.StatusPage{Port: 24018}}
	r := &told{}
	r.tell(at("n1", "storage", "ready", true), report.Node{Name: "n2", Role: "storage", Silent: "it is silent"})
	s := New(h.Host, f, r)
	s.watchers.every = 10 * time.Millisecond
	return s, r
}

// opened is a server that is there until the test's end.
func opened(t *testing.T, s *Server) *httptest.Server {
	t.Helper()
	site := httptest.NewServer(s.handler())
	t.Cleanup(site.Close)
	return site
}

// ask asks a server, and gives what it answers.
func ask(t *testing.T, s *Server, method, path string, edit func(*http.Request)) (*http.Response, string) {
	t.Helper()
	site := opened(t, s)
	req, err := http.NewRequestWithContext(t.Context(), method, site.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if edit != nil {
		edit(req)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestThePageIsWholeWithoutAScript(t *testing.T) {
	s, _ := newServer(t)
	res, text := ask(t, s, http.MethodGet, "/", nil)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("it answers %s, %v", res.Status, res.Header)
	}
	for _, want := range []string{"<title>berries: 1 of 2 nodes are ready; silent: n2</title>", ">n1 <small>storage</small></th>", ">silent: it is silent</span>"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %s:\n%s", want, text)
		}
	}
	if found := regexp.MustCompile(`(?:src|href)="([^"]*)"|https?:|url\(`).FindAllString(text, -1); !cmp.Equal(found, []string{`href="data:,"`}) {
		t.Errorf("the page loads more than itself: %q", found)
	}
	if res, text := ask(t, s, http.MethodHead, "/", nil); res.StatusCode != http.StatusOK || text != "" {
		t.Errorf("HEAD is answered with %s %q", res.Status, text)
	}
}

// The browser runs what has these hashes, and nothing else.
func TestThePageHasTheStyleAndTheScriptThatItSays(t *testing.T) {
	s, _ := newServer(t)
	res, text := ask(t, s, http.MethodGet, "/", nil)
	policy := res.Header.Get("Content-Security-Policy")
	for what, shape := range map[string]string{"style-src": `(?s)<style>(.*)</style>`, "script-src": `(?s)<script>(.*)</script>`} {
		found := regexp.MustCompile(shape).FindStringSubmatch(text)
		if found == nil || !strings.Contains(policy, what+" "+hashed(found[1])) {
			t.Errorf("what is in the page does not fit %s of %s", what, policy)
		}
	}
	if regexp.MustCompile(` (style|on[a-z]+)=`).MatchString(text) {
		t.Errorf("there is more of it than that:\n%s", text)
	}
}

func TestWhatOtherNodesSayIsText(t *testing.T) {
	s, r := newServer(t)
	const evil = `</span><script>alert("x")</script>`
	r.tell(report.Node{Name: evil, Role: evil, Silent: evil}, at("n1", evil, evil, false))
	_, text := ask(t, s, http.MethodGet, "/", nil)
	if strings.Count(text, "<script>") != 1 || strings.Contains(text, "alert(\"") {
		t.Errorf("the page has markup of others in it:\n%s", text)
	}
}

func TestWhoIsAnswered(t *testing.T) {
	s, _ := newServer(t)
	for _, tt := range []struct {
		method, host, path string
		want               int
	}{
		{"GET", "192.168.2.5:24018", "/", 200},
		{"GET", "192.168.2.5", "/", 200},
		{"GET", "[fd00::5]:24018", "/", 200},
		{"GET", "localhost:24018", "/", 200},
		{"GET", "n1:24018", "/", 200},
		{"GET", "N2.local.:24018", "/", 200},
		{"GET", "n3:24018", "/", 421},
		{"GET", "n1.example.net:24018", "/", 421},
		{"GET", "example.net", "/events", 421},
		{"GET", "n1", "/index.html", 404},
		{"GET", "n1", "//n1/", 404},
		{"POST", "n1", "/", 405},
		{"DELETE", "n1", "/events", 405},
		{"OPTIONS", "n1", "/", 405},
		{"HEAD", "n1", "/events", 200},
	} {
		res, _ := ask(t, s, tt.method, tt.path, func(r *http.Request) { r.Host = tt.host })
		if res.StatusCode != tt.want {
			t.Errorf("%s http://%s%s is answered with %s, want %d", tt.method, tt.host, tt.path, res.Status, tt.want)
		}
		if res.Header.Get("X-Content-Type-Options") != "nosniff" || res.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s http://%s%s: %v", tt.method, tt.host, tt.path, res.Header)
		}
	}
}

func TestWhatIsSentIsNotWaitedFor(t *testing.T) {
	s, _ := newServer(t)
	site := opened(t, s)
	conn, err := net.Dial("tcp", site.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: n1\r\nContent-Length: 100\r\n\r\n")
	conn.SetDeadline(time.Now().Add(2 * time.Second))
	if text, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(text), "HTTP/1.1 400 ") {
		t.Errorf("got %q, %v", text, err)
	}
}

// watching opens the events of a site, and gives their lines.
func watching(t *testing.T, url string) (lines func() string, leave func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("it answers %s, %v", res.Status, res.Header)
	}
	reader := bufio.NewScanner(res.Body)
	return func() string {
		if !reader.Scan() {
			t.Fatalf("the events end: %v", reader.Err())
		}
		return reader.Text()
	}, cancel
}

func TestWhoWatchesIsToldWhatChanges(t *testing.T) {
	s, r := newServer(t)
	site := opened(t, s)
	line, _ := watching(t, site.URL)
	for _, want := range []string{"retry: 3000", "", `data: {"title":"berries: 1 of 2`, "", "event: same", "data: yes", ""} {
		if got := line(); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	r.tell(at("n1", "storage", "ready", true), at("n2", "storage", "ready", true))
	const want = `data: {"title":"berries: all 2 nodes are ready","summary":"all 2 nodes are ready","rows":[{"name":"n1","cells":[{"mark":"good","sign":"✓","text":"ready"},`
	for {
		if got := line(); strings.HasPrefix(got, "data: {") {
			if !strings.HasPrefix(got, want) {
				t.Errorf("got %s, want %s", got, want)
			}
			return
		}
	}
}

func TestTheClusterIsLookedAtOnceForAllWatchersAndOnlyForThem(t *testing.T) {
	s, r := newServer(t)
	s.watchers.every = 100 * time.Millisecond
	site := opened(t, s)
	line, leave := watching(t, site.URL)
	for !strings.HasPrefix(line(), "data: {") {
	}
	before := r.asked.Load()
	_, leaveToo := watching(t, site.URL)
	if got := r.asked.Load(); got > before+1 {
		t.Errorf("for a second watcher it was looked at %d times", got-before)
	}
	leave()
	leaveToo()
	for watched := true; watched; time.Sleep(time.Millisecond) {
		s.watchers.mu.Lock()
		watched = len(s.watchers.all) > 0
		s.watchers.mu.Unlock()
	}
	time.Sleep(s.watchers.every) // for a look that had begun
	before = r.asked.Load()
	if time.Sleep(5 * s.watchers.every); r.asked.Load() != before {
		t.Error("it is looked at although nobody watches")
	}
}

func TestThereIsAnEndToWatchers(t *testing.T) {
	s, _ := newServer(t)
	site := opened(t, s)
	for range maxWatchOfOne {
		watching(t, site.URL)
	}
	if res, _ := ask(t, s, http.MethodGet, "/events", nil); res.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one watcher too many is answered with %s", res.Status)
	}
	if res, _ := ask(t, s, http.MethodGet, "/", nil); res.StatusCode != http.StatusOK {
		t.Errorf("the page itself is answered with %s", res.Status)
	}
	for i := range maxWatchers - maxWatchOfOne {
		if s.watchers.join(netip.AddrFrom4([4]byte{192, 168, 2, byte(i)})) == nil {
			t.Fatalf("watcher %d is refused", i)
		}
	}
	if s.watchers.join(netip.MustParseAddr("192.168.2.250")) != nil {
		t.Error("there is no end to watchers of many addresses")
	}
}

func TestNeighbours(t *testing.T) {
	for remote, want := range map[string]bool{
		"127.0.0.1:40000": true, "192.168.2.9:40000": true, "10.83.0.2:40000": true, "172.31.0.1:40000": true, "169.254.7.7:40000": true,
		"[::ffff:192.168.2.9]:40000": true, "[fe80::1%eth0]:40000": true,
		"198.51.100.7:40000": false, "172.32.0.1:40000": false, "[2001:db8::1]:40000": false, "somebody": false,
	} {
		if got := near(addressOf(remote)); got != want {
			t.Errorf("%s is near: %v", remote, got)
		}
	}
}

func TestTheDoorShutsWhenTooManyAreInside(t *testing.T) {
	d := &door{}
	one := netip.MustParseAddr("192.168.2.9")
	for range maxOfOne {
		if !d.enter(one) {
			t.Fatal("somebody is shut out too early")
		}
	}
	if d.enter(one) {
		t.Error("there is no end to the connections of one address")
	}
	d.left(one)
	if !d.enter(one) {
		t.Error("nobody gets in for one who has left")
	}
	for i := range maxGuests - maxOfOne {
		if !d.enter(netip.AddrFrom4([4]byte{192, 168, 3, byte(i)})) {
			t.Fatal("somebody is shut out too early")
		}
	}
	if d.enter(netip.MustParseAddr("192.168.4.1")) {
		t.Error("there is no end to connections")
	}
}

func TestWhereThePageIs(t *testing.T) {
	home := node.File{Name: "n1", Role: node.Storage, StatusPage: &node.StatusPage{Port: 24018},
		Tunnel: &node.Tunnel{Ends: []node.End{{Name: "n1", Address: "10.83.0.1"}}}}
	abroad := home
	abroad.Role = node.Balancer
	alone := abroad
	alone.Tunnel = nil
	for _, tt := range []struct {
		of   node.File
		want []string
	}{
		{home, []string{"0.0.0.0:24018"}},
		{abroad, []string{"127.0.0.1:24018", "10.83.0.1:24018"}},
		{alone, []string{"127.0.0.1:24018"}},
	} {
		var got []string
		for _, at := range addresses(tt.of) {
			got = append(got, at.String())
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("a %s node (-want +got):\n%s", tt.of.Role, diff)
		}
	}
}

// A port that is taken is said once, and tried until it is free.
func TestATakenPortEndsNothing(t *testing.T) {
	s, _ := newServer(t)
	s.h.Clock = &hosttest.Clock{}
	tries, open := 0, make(chan net.Addr, 1)
	s.h.Listen = func(ctx context.Context, _ netip.AddrPort) (net.Listener, error) {
		if tries++; tries < 4 {
			return nil, errors.New("bind: address already in use")
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", "127.0.0.1:0")
		if err == nil {
			open <- listener.Addr()
		}
		return listener, err
	}
	var said []string
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Run(ctx, func(err error) { said = append(said, err.Error()) })
	}()
	res, err := http.Get("http://" + (<-open).String())
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("the page is answered with %s", res.Status)
	}
	cancel()
	<-ended
	if diff := cmp.Diff([]string{"cannot show the status page: bind: address already in use"}, said); diff != "" {
		t.Errorf("it complained (-want +got):\n%s", diff)
	}
}
