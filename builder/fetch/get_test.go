package fetch

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/progress"
)

// noise is n bytes that do not compress, the same every time.
func noise(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// newClient is a client with an empty cache that does not wait long.
func newClient(t *testing.T, srv *httptest.Server) *Client {
	t.Helper()
	return &Client{HTTP: srv.Client(), Cache: t.TempDir(), Backoff: time.Millisecond, Stall: 5 * time.Second}
}

// origin serves one file as a good server does, and counts what it was asked.
type origin struct {
	body []byte
	etag string

	mu    sync.Mutex
	asked []string // the Range header of each request, "-" for none
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.asked = append(o.asked, cmpOr(r.Header.Get("Range"), "-"))
	o.mu.Unlock()
	if o.etag != "" {
		w.Header().Set("ETag", o.etag)
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.body))
}

func cmpOr(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// cutter cuts the connection after that many bytes of each answer's body.
type cutter struct {
	http.ResponseWriter
	left int
}

func (c *cutter) Write(b []byte) (int, error) {
	n, _ := c.ResponseWriter.Write(b[:min(len(b), c.left)])
	if c.left -= n; c.left == 0 {
		c.ResponseWriter.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestGet(t *testing.T) {
	body := noise(300_000)
	good := &origin{body: body, etag: `"v1"`}
	cut := func(after int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { good.ServeHTTP(&cutter{w, after}, r) }
	}
	status := func(codes ...int) http.HandlerFunc {
		var n atomic.Int32
		return func(w http.ResponseWriter, r *http.Request) {
			if i := int(n.Add(1)) - 1; i < len(codes) {
				http.Error(w, "no", codes[i])
				return
			}
			good.ServeHTTP(w, r)
		}
	}
	wrongRange := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-299999/%d", len(body)))
			w.WriteHeader(http.StatusPartialContent)
			w.Write(body[5:])
			return
		}
		if good.mu.Lock(); len(good.asked) > 0 {
			good.mu.Unlock()
			good.ServeHTTP(w, r)
			return
		}
		good.mu.Unlock()
		good.ServeHTTP(&cutter{w, 1000}, r)
	}
	ignoresRange := func(w http.ResponseWriter, r *http.Request) {
		had := r.Header.Get("Range")
		good.mu.Lock()
		good.asked = append(good.asked, cmpOr(had, "-"))
		good.mu.Unlock()
		if had == "" {
			w = &cutter{w, 100_000}
		}
		w.Write(body)
	}
	unannounced := func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush() // no Content-Length
		w.Write(body)
	}
	want := digest(body)
	tests := map[string]struct {
		server http.HandlerFunc
		sha256 string
		size   int64
		err    string   // "" for success
		asked  []string // Range headers that reached the file
	}{
		"a good server":                     {good.ServeHTTP, want, 300_000, "", []string{"-"}},
		"a checksum in capitals":            {good.ServeHTTP, strings.ToUpper(want), 0, "", []string{"-"}},
		"the connection is cut midway":      {cut(120_000), want, 0, "", []string{"-", "bytes=120000-", "bytes=240000-"}},
		"cut midway, checksum not known":    {cut(120_000), "", 0, "", []string{"-", "bytes=120000-", "bytes=240000-"}},
		"cut midway, then Range is ignored": {ignoresRange, want, 0, "", []string{"-", "bytes=100000-"}},
		"another range than asked for":      {wrongRange, want, 0, "", []string{"-", "-"}},
		"500, then the file":                {status(500), want, 0, "", []string{"-"}},
		"429 and 503, then the file":        {status(429, 503), want, 0, "", []string{"-"}},
		"500 for ever":                      {status(500, 500, 500, 500, 500), want, 0, "gave up after 4 attempts: the server answered 500 Internal Server Error", nil},
		"404":                               {status(404), want, 0, "cannot download URL: the server answered 404 Not Found", nil},
		"the wrong file":                    {good.ServeHTTP, digest([]byte("other")), 0, "what the server sent has SHA-256 " + want + ", not " + digest([]byte("other")), []string{"-"}},
		"a size that is announced wrong":    {good.ServeHTTP, want, 299_999, "it is 300000 bytes long there, not 299999", []string{"-"}},
		"not a checksum":                    {good.ServeHTTP, "cafe", 0, `"cafe" is not a SHA-256: want 64 hex digits`, nil},
		"more than the disk holds":          {unannounced, want, 1 << 60, " free; make room there, or take another folder with --cache", nil},
		"more than was asked for":           {unannounced, want, 100_000, "it is longer than the 100000 bytes expected", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			good.asked = nil
			srv := httptest.NewServer(tt.server)
			defer srv.Close()
			c := newClient(t, srv)
			path, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: tt.sha256, Size: tt.size})
			checkErr(t, err, strings.ReplaceAll(tt.err, "URL", srv.URL))
			if diff := cmp.Diff(tt.asked, good.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if tt.err == "" {
				checkFile(t, path, body)
			}
			checkTidy(t, c.Cache)
		})
	}
}

// checkErr wants err to say want, or to be nil when want is "".
func checkErr(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Fatalf("got error %q, want none", err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("got error %v, want one that says %q", err, want)
	}
}

func checkFile(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got %d other bytes than the %d wanted", path, len(got), len(want))
	}
}

// checkTidy wants every file of the cache to have its final name, and content
// that fits it.
func checkTidy(t *testing.T, cache string) {
	t.Helper()
	for _, path := range files(t, cache) {
		b, err := os.ReadFile(filepath.Join(cache, path))
		if err != nil {
			t.Fatal(err)
		}
		switch dir, name := filepath.Split(path); {
		case strings.HasPrefix(dir, "sha256/") && name == digest(b):
		case strings.HasPrefix(dir, "url/") && strings.HasSuffix(name, ".json") && !strings.Contains(name, ".part"):
		default:
			t.Errorf("the cache holds %s, %d bytes", path, len(b))
		}
	}
}

// files lists what lies under dir.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestGetAsksNobodyForWhatIsPinnedAndCached(t *testing.T) {
	o := &origin{body: noise(1000)}
	srv := httptest.NewServer(o)
	defer srv.Close()
	c := newClient(t, srv)
	for range 3 {
		path, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: digest(o.body)})
		checkErr(t, err, "")
		checkFile(t, path, o.body)
		checkMode(t, path)
	}
	if len(o.asked) != 1 {
		t.Errorf("got %d requests, want 1", len(o.asked))
	}
}

func TestGetRevalidatesWhatIsNotPinned(t *testing.T) {
	first, second := []byte("first"), []byte("second")
	o := &origin{body: first, etag: `"1"`}
	srv := httptest.NewServer(o)
	defer srv.Close()
	c := newClient(t, srv)
	for i, want := range [][]byte{first, first, second, second} {
		if i == 2 {
			o.body, o.etag = second, `"2"`
		}
		path, err := c.Get(t.Context(), Request{URL: srv.URL})
		checkErr(t, err, "")
		checkFile(t, path, want)
		checkTidy(t, c.Cache)
	}
	if len(o.asked) != 4 {
		t.Errorf("got %d requests, want 4", len(o.asked))
	}
}

func TestGetResumesWhatAnInterruptedRunLeft(t *testing.T) {
	for _, pin := range []bool{true, false} {
		t.Run(fmt.Sprintf("checksum known: %v", pin), func(t *testing.T) {
			o := &origin{body: noise(200_000), etag: `"v1"`}
			ctx, cancel := context.WithCancel(t.Context())
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if ctx.Err() == nil { // the first answer hangs after a part
					w.Header().Set("ETag", `"v1"`)
					w.Header().Set("Content-Length", "200000")
					w.Write(o.body[:50_000])
					w.(http.Flusher).Flush()
					<-r.Context().Done()
					return
				}
				o.ServeHTTP(w, r)
			}))
			defer srv.Close()
			c := newClient(t, srv)
			c.Progress = sinkFunc(func(done int64) {
				if done == 50_000 {
					cancel()
				}
			})
			req := Request{URL: srv.URL, Label: "it"}
			if pin {
				req.SHA256 = digest(o.body)
			}
			if _, err := c.Get(ctx, req); !errors.Is(err, context.Canceled) {
				t.Fatalf("got error %v, want context canceled", err)
			}
			path, err := c.Get(t.Context(), req)
			checkErr(t, err, "")
			checkFile(t, path, o.body)
			checkTidy(t, c.Cache)
			if diff := cmp.Diff([]string{"bytes=50000-"}, o.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

// startFunc gives a sinkFunc for each task.
type startFunc func() sinkFunc

func (f startFunc) Start(label string, total int64) progress.Task { return f().Start(label, total) }

// sinkFunc is called with the bytes done so far, after each change.
type sinkFunc func(done int64)

func (f sinkFunc) Start(string, int64) progress.Task { return &counter{f: f} }

type counter struct {
	f    sinkFunc
	done int64
}

func (c *counter) Add(n int64) { c.done += n; c.f(c.done) }
func (c *counter) Done()       {}

func TestGetDoesNotJoinTwoVersions(t *testing.T) {
	old := &origin{body: noise(200_000), etag: `"old"`}
	changed := &origin{body: bytes.Repeat([]byte("new "), 40_000), etag: `"new"`}
	first := true
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			old.ServeHTTP(&cutter{w, 70_000}, r)
		}
		changed.ServeHTTP(w, r)
	}))
	defer srv.Close()
	c := newClient(t, srv)
	path, err := c.Get(t.Context(), Request{URL: srv.URL})
	checkErr(t, err, "")
	checkFile(t, path, changed.body)
}

func TestGetStartsAgainWhenThePartIsBad(t *testing.T) {
	o := &origin{body: noise(200_000)}
	srv := httptest.NewServer(o)
	defer srv.Close()
	tests := map[string]struct {
		part  []byte
		asked []string
	}{
		"zeros, as after a power cut": {make([]byte, 60_000), []string{"bytes=60000-", "-"}},
		"longer than the file":        {make([]byte, 300_000), []string{"bytes=300000-", "-"}},
		"whole, only not renamed":     {o.body, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			o.asked = nil
			c := newClient(t, srv)
			final := c.content(digest(o.body))
			if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(final+".part", tt.part, 0o644); err != nil {
				t.Fatal(err)
			}
			path, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: digest(o.body)})
			checkErr(t, err, "")
			checkFile(t, path, o.body)
			checkTidy(t, c.Cache)
			if diff := cmp.Diff(tt.asked, o.asked); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGetKeepsAFileThatEndsEarly(t *testing.T) {
	o := &origin{body: noise(1000)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.(http.Flusher).Flush() // no Content-Length, so that the end cannot be told from a cut
		w.Write(o.body[:600])
	}))
	defer srv.Close()
	c := newClient(t, srv)
	req := Request{URL: srv.URL, SHA256: digest(o.body), Size: 1000}
	_, err := c.Get(t.Context(), req)
	checkErr(t, err, "gave up after 4 attempts: the file ended after 600 of 1000 bytes")

	srv.Config.Handler = o
	path, err := c.Get(t.Context(), req)
	checkErr(t, err, "")
	checkFile(t, path, o.body)
	if diff := cmp.Diff([]string{"bytes=600-"}, o.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestGetGivesUpOnAServerThatSaysNothing(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}))
	defer srv.Close()
	c := newClient(t, srv)
	c.Stall = 20 * time.Millisecond
	_, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: digest([]byte("never sent"))})
	checkErr(t, err, "gave up after 4 attempts: the server sent nothing for 20ms")
}

func TestGetIsSlowButNotStalled(t *testing.T) {
	body := noise(2000)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for i := range 10 {
			w.Write(body[i*200:][:200])
			w.(http.Flusher).Flush()
			time.Sleep(30 * time.Millisecond)
		}
	}))
	defer srv.Close()
	c := newClient(t, srv)
	c.Stall = 200 * time.Millisecond // less than the 300 ms it takes in all
	path, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: digest(body)})
	checkErr(t, err, "")
	checkFile(t, path, body)
}

func TestManyGetsShareOneDownload(t *testing.T) {
	o := &origin{body: noise(500_000), etag: `"v1"`}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		o.ServeHTTP(w, r)
	}))
	defer srv.Close()
	cache := t.TempDir()
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			c := &Client{HTTP: srv.Client(), Cache: cache} // each as if in a process of its own
			path, err := c.Get(t.Context(), Request{URL: srv.URL, SHA256: digest(o.body)})
			checkErr(t, err, "")
			checkFile(t, path, o.body)
		})
	}
	wait.Wait()
	if len(o.asked) != 1 {
		t.Errorf("got %d requests, want 1", len(o.asked))
	}
	checkTidy(t, cache)
}

func TestGetFollowsRedirects(t *testing.T) {
	o := &origin{body: noise(1000)}
	plain := httptest.NewServer(o)
	defer plain.Close()
	safe := httptest.NewTLSServer(http.RedirectHandler(plain.URL, http.StatusFound))
	defer safe.Close()
	c := newClient(t, safe)
	path, err := c.Get(t.Context(), Request{URL: safe.URL, SHA256: digest(o.body)})
	checkErr(t, err, "")
	checkFile(t, path, o.body)

	away := httptest.NewTLSServer(http.RedirectHandler("http://packages.example/", http.StatusFound))
	defer away.Close()
	_, err = newClient(t, away).latest(t.Context(), wanted{Request: Request{URL: away.URL}})
	checkErr(t, err, "it leads to plain http, where anyone on the way could change the file")
}

func TestGetThroughAProxy(t *testing.T) {
	o := &origin{body: []byte("through the proxy")}
	proxy := httptest.NewServer(o) // answers for every host, as a proxy can
	defer proxy.Close()
	req := Request{URL: "http://packages.example/a.deb", SHA256: digest(o.body)}
	path, err := output(child(t, childTask{Cache: t.TempDir(), Request: req}, "HTTP_PROXY="+proxy.URL, "NO_PROXY="))
	checkErr(t, err, "")
	checkFile(t, path, o.body)
}

func TestGetOnAFullDisk(t *testing.T) {
	o := &origin{body: noise(200_000)}
	srv := httptest.NewServer(o)
	defer srv.Close()
	do := childTask{Cache: t.TempDir(), Request: Request{URL: srv.URL, SHA256: digest(o.body)}, MaxFile: 80_000}
	_, err := output(child(t, do))
	checkErr(t, err, "the disk of "+do.Cache+" is full; make room there, or take another folder with --cache")

	do.MaxFile = 0 // room was made
	path, err := output(child(t, do))
	checkErr(t, err, "")
	checkFile(t, path, o.body)
	checkTidy(t, do.Cache)
	if diff := cmp.Diff([]string{"-", "bytes=80000-"}, o.asked); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestGetKeepsThePasswordInAURLToItself(t *testing.T) {
	o := &origin{body: noise(1000), etag: `"v1"`}
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password != "secret" {
			t.Errorf("got password %q, want secret", password)
		}
		if asked++; asked == 1 {
			o.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer srv.Close()
	c := newClient(t, srv)
	req := Request{URL: strings.Replace(srv.URL, "//", "//me:secret@", 1) + "/InRelease"}
	_, err := c.Get(t.Context(), req)
	checkErr(t, err, "")
	_, err = c.Get(t.Context(), req)
	checkErr(t, err, "//me:xxxxx@")
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
	for _, f := range files(t, c.Cache) {
		b, err := os.ReadFile(filepath.Join(c.Cache, f))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("secret")) || strings.Contains(f, "secret") {
			t.Errorf("%s tells the password: %s", f, b)
		}
	}
}

func TestStatusErrorNamesTheURL(t *testing.T) {
	srv := httptest.NewServer(http.NotFoundHandler())
	defer srv.Close()
	_, err := newClient(t, srv).Get(t.Context(), Request{URL: srv.URL + "/InRelease"})
	var status *StatusError
	if !errors.As(err, &status) {
		t.Fatalf("got error %v, want a *StatusError", err)
	}
	want := StatusError{URL: srv.URL + "/InRelease", Code: 404, Status: "404 Not Found"}
	if *status != want {
		t.Errorf("got %+v, want %+v", *status, want)
	}
}
