package apttest

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Options says which mirror to make. The zero value is an empty suite "trixie"
// for arm64.
type Options struct {
	Suite   string   // codename
	Archs   []string // that there are indexes for
	Debs    []Deb
	Release Release
	Forms   []string // endings of the indexes; nil is plain, .gz and .xz
	// URI is the address that the base's sources name. "" is the mirror's own;
	// with another one, what is tested has to be told to use URL instead.
	URI string
}

// Mirror is a running mirror of one suite with the component main.
type Mirror struct {
	URL string // with a slash at the end
	URI string // as the base's sources have it, with a slash at the end

	t       testing.TB
	options Options
	key     *openpgp.Entity
	server  *httptest.Server

	mu    sync.Mutex
	files map[string][]byte // by path below URL
	asked []string          // paths, in the order of the requests
}

// New starts a mirror, which ends with the test.
func New(t testing.TB, o Options) *Mirror {
	t.Helper()
	if o.Suite == "" {
		o.Suite = "trixie"
	}
	if o.Archs == nil {
		o.Archs = []string{"arm64"}
	}
	if o.Forms == nil {
		o.Forms = []string{"", ".gz", ".xz"}
	}
	m := &Mirror{t: t, options: o, key: NewKey(t)}
	m.server = httptest.NewServer(m)
	t.Cleanup(m.Down)
	m.URL = m.server.URL + "/debian/"
	if m.URI = o.URI; m.URI == "" {
		m.URI = m.URL
	}
	m.Publish(o.Release, o.Debs...)
	return m
}

// Down stops the mirror: nothing answers any more.
func (m *Mirror) Down() { m.server.Close() }

// ServeHTTP answers as a web server with these files does.
func (m *Mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/debian/")
	m.mu.Lock()
	m.asked = append(m.asked, path)
	data, ok := m.files[path]
	m.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
}

// Publish replaces all the mirror has by these packages and their indexes.
func (m *Mirror) Publish(r Release, debs ...Deb) {
	m.t.Helper()
	files := map[string][]byte{}
	indexes := map[string]string{}
	for _, d := range debs {
		files[d.path()] = d.Bytes(m.t)
		for _, arch := range m.options.Archs {
			if d.Arch == arch || d.Arch == "all" {
				indexes[arch] += d.stanza(files[d.path()])
			}
		}
	}
	m.mu.Lock()
	m.files = files
	m.mu.Unlock()
	m.release(r, indexes)
}

// Edit changes every file with that part in its path; nil takes it away. The
// test ends when there is none. "binary-arm64/" is an index in all its forms.
func (m *Mirror) Edit(part string, change func([]byte) []byte) {
	m.t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	found := false
	for path, data := range m.files {
		if !strings.Contains(path, part) {
			continue
		}
		found = true
		if data = change(bytes.Clone(data)); data == nil {
			delete(m.files, path)
		} else {
			m.files[path] = data
		}
	}
	if !found {
		m.t.Fatalf("the mirror has no file with %s in its path", part)
	}
}

// Gone, given to Edit, takes files away.
func Gone([]byte) []byte { return nil }

// Flipped, given to Edit, changes one bit in the middle.
func Flipped(data []byte) []byte {
	data[len(data)/2] ^= 1
	return data
}

// Asked is how many requests there were so far for files with that part in
// their path.
func (m *Mirror) Asked(part string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, path := range m.asked {
		if strings.Contains(path, part) {
			n++
		}
	}
	return n
}

// Article starts a mirror with what the roles of a cluster install, each a
// package of a few bytes, for every architecture of Raspberry Pi OS.
func Article(t testing.TB) *Mirror {
	t.Helper()
	debs := []Deb{{Name: "glusterfs-common", Version: "11.1-6", Arch: "all", Files: map[string]string{"/usr/share/glusterfs": "common"}}}
	for _, name := range []string{"apache2", "attr", "ca-certificates", "ddclient", "glusterfs-client", "glusterfs-server", "libio-socket-ssl-perl", "openssh-server", "rsync", "wireguard-go", "wireguard-tools"} {
		d := Deb{Name: name, Version: "1.0-1", Arch: "all", Files: map[string]string{"/usr/share/" + name: name}}
		if strings.HasPrefix(name, "glusterfs-") {
			d.Version, d.Fields = "11.1-6", "Depends: glusterfs-common (= 11.1-6)\n"
		}
		debs = append(debs, d)
	}
	return New(t, Options{Archs: []string{"arm64", "amd64", "armhf"}, Debs: debs})
}
