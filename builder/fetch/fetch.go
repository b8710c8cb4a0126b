// Package fetch gets files for a build: the catalogue of Raspberry Pi OS, the
// base image, the packages.
//
// Data flow: a URL goes through Get into the cache, a directory of files named
// by their SHA-256; a Source (a name in the catalogue, a URL or a file) goes
// through Base, which gets it and unpacks it once into a raw, sparse image
// beside the cached downloads. Nothing has its final name in the cache before
// it is whole, synced and of the right checksum; what is interrupted stays as
// a .part file that a later call goes on with. Any number of goroutines and
// processes may share a cache: a lock on the .part file makes one of them work
// and the others wait.
//
// On purpose there is no eviction, no mirror list and no parallel download of
// one file in pieces. The cache is trusted after a file got its name: its
// files are read-only, and only their size is looked at again.
package fetch

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"berries/builder/progress"
	"berries/firstboot/host"
)

// Client gets files into one cache. Its fields are set before the first call;
// its methods may be called from many goroutines. It must not be copied.
type Client struct {
	// HTTP does the requests. Nil means a client of our own, which takes its
	// proxy from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).
	HTTP *http.Client
	// Cache is the directory everything is kept in, such as ~/.cache/berry. It
	// is made when it is missing.
	Cache string
	// Progress is told of downloads and unpacking. Nil shows nothing.
	Progress progress.Sink
	// Runner runs xz. Nil means that xz files are unpacked in Go, which takes
	// two to five times as long.
	Runner host.Runner
	// Log gets one line when something is not as usual but the work goes on,
	// such as a catalogue that could only be had from the cache. May be nil.
	Log func(line string)
	// CatalogueURL is the catalogue to use instead of OfficialCatalogue.
	CatalogueURL string
	// Backoff is the pause before the second attempt, doubled before each later
	// one. 0 means one second.
	Backoff time.Duration
	// Stall is how long a server may send nothing before the attempt is given
	// up. 0 means one minute.
	Stall time.Duration

	once sync.Once
	own  *http.Client
}

// Request is one file to get.
type Request struct {
	URL    string // http or https
	SHA256 string // 64 hex digits of the file; "" when it is not known
	Size   int64  // bytes; 0 when it is not known
	Label  string // what progress calls it; "" shows no progress
}

// Get returns the path of the requested file in the cache, downloading it
// first where needed. The file is read-only and must stay so.
//
// With a SHA256 a cached file is returned without asking the server. Without,
// the server is asked every time whether its ETag or Last-Modified has changed,
// and the caller has to know by other means, such as a signature, that the
// bytes are good; plain http is allowed either way.
//
// A cut connection, a stalled one and the statuses 408, 429 and 5xx are tried
// again until four attempts in a row got no further. Any other status is a
// *StatusError. When ctx ends, what has arrived is kept and the next Get of the
// same file resumes there.
func (c *Client) Get(ctx context.Context, r Request) (string, error) {
	path, err := c.get(ctx, wanted{Request: r})
	if err != nil {
		return "", fmt.Errorf("cannot download %s: %w", redacted(r.URL), err)
	}
	return path, nil
}

// wanted is a Request with what only this package asks for.
type wanted struct {
	Request
	max    int64 // refuse more bytes than this; 0 means any number
	secure bool  // refuse to be led to plain http
	once   bool  // one attempt only
}

func (c *Client) get(ctx context.Context, w wanted) (string, error) {
	u, err := url.Parse(w.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("it is not an http or https URL")
	}
	if w.SHA256 == "" {
		return c.revalidate(ctx, w)
	}
	w.SHA256 = strings.ToLower(w.SHA256)
	if !isSHA256(w.SHA256) {
		return "", fmt.Errorf("%q is not a SHA-256: want 64 hex digits", w.SHA256)
	}
	return c.pinned(ctx, w)
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}

// redacted is rawURL without any password.
func redacted(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil {
		return u.Redacted()
	}
	return rawURL
}

func (c *Client) log(format string, args ...any) {
	if c.Log != nil {
		c.Log(fmt.Sprintf(format, args...))
	}
}

func (c *Client) start(label string, total int64) progress.Task {
	if c.Progress == nil || label == "" {
		return progress.None.Start(label, total)
	}
	return c.Progress.Start(label, total)
}

// http is the client that does the requests. A secure one is not led to
// plain http.
func (c *Client) http(secure bool) *http.Client {
	c.once.Do(func() {
		if c.own = c.HTTP; c.own == nil {
			t := http.DefaultTransport.(*http.Transport).Clone()
			t.MaxIdleConnsPerHost = 16 // packages come many at a time from one host
			c.own = &http.Client{Transport: t}
		}
	})
	if !secure {
		return c.own
	}
	strict := *c.own
	strict.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if !vouched(req.URL.String()) {
			return errPlainRedirect
		}
		if c.own.CheckRedirect != nil {
			return c.own.CheckRedirect(req, via)
		}
		if len(via) >= 10 {
			return errors.New("it redirects again and again")
		}
		return nil
	}
	return &strict
}
