package apttest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/klauspost/compress/zstd"
)

// Release is what a suite's Release file is like. The zero value is a good one:
// made an hour ago, valid for a week, InRelease signed by the mirror's key.
type Release struct {
	Date       time.Time
	ValidUntil time.Time
	Key        *openpgp.Entity // that signs it; nil is the mirror's own
	Codename   string          // "" is the suite's
	Detached   bool            // Release and Release.gpg in place of InRelease
	Unsigned   bool            // Release alone
}

// keyTime is when keys are made.
var keyTime = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// NewKey makes a key to sign with.
func NewKey(t testing.TB) *openpgp.Entity { return newKey(t, 0) }

// NewExpiredKey makes one that stopped being valid long ago.
func NewExpiredKey(t testing.TB) *openpgp.Entity { return newKey(t, 24*time.Hour) }

func newKey(t testing.TB, life time.Duration) *openpgp.Entity {
	t.Helper()
	key, err := openpgp.NewEntity("Archive of the tests", "", "archive@example.org", &packet.Config{
		Time:            func() time.Time { return keyTime },
		Algorithm:       packet.PubKeyAlgoEdDSA,
		KeyLifetimeSecs: uint32(life / time.Second),
	})
	check(t, err)
	return key
}

// stanza is the package's entry in an index.
func (d Deb) stanza(file []byte) string {
	return fmt.Sprintf("%sFilename: %s\nSize: %d\nSHA256: %x\n\n", d.control(), d.path(), len(file), sha256.Sum256(file))
}

// release adds the indexes and the Release file.
func (m *Mirror) release(r Release, indexes map[string]string) {
	m.t.Helper()
	dir := "dists/" + m.options.Suite + "/"
	files := map[string][]byte{}
	for _, arch := range m.options.Archs {
		name := "main/binary-" + arch + "/Packages"
		for _, form := range m.options.Forms {
			files[name+form] = inForm(m.t, form, []byte(indexes[arch]))
		}
	}
	text := r.text(m.options, files)
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, data := range files {
		m.files[dir+name] = data
		m.files[dir+path.Dir(name)+fmt.Sprintf("/by-hash/SHA256/%x", sha256.Sum256(data))] = data
	}
	key := r.Key
	if key == nil {
		key = m.key
	}
	switch {
	case r.Unsigned:
		m.files[dir+"Release"] = []byte(text)
	case r.Detached:
		m.files[dir+"Release"] = []byte(text)
		m.files[dir+"Release.gpg"] = detached(m.t, text, key)
	default:
		m.files[dir+"InRelease"] = signed(m.t, text, key)
	}
}

// text is the Release file.
func (r Release) text(o Options, files map[string][]byte) string {
	if r.Date.IsZero() {
		r.Date = time.Now().Add(-time.Hour)
	}
	if r.ValidUntil.IsZero() {
		r.ValidUntil = r.Date.AddDate(0, 0, 7)
	}
	if r.Codename == "" {
		r.Codename = o.Suite
	}
	date := func(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 UTC") }
	text := fmt.Sprintf("Origin: Debian\nLabel: Debian\nSuite: stable\nCodename: %s\nDate: %s\nValid-Until: %s\nAcquire-By-Hash: yes\nArchitectures: %s\nComponents: main\nSHA256:\n",
		r.Codename, date(r.Date), date(r.ValidUntil), strings.Join(o.Archs, " "))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text += fmt.Sprintf(" %x %d %s\n", sha256.Sum256(files[name]), len(files[name]), name)
	}
	return text
}

// signing is the time of signatures by that key: while it was valid.
func signing(key *openpgp.Entity) *packet.Config {
	at := time.Now().Add(-time.Hour)
	if id, _ := key.PrimaryIdentity(at, nil); id != nil && id.KeyLifetimeSecs != nil && *id.KeyLifetimeSecs > 0 {
		at = keyTime.Add(time.Hour)
	}
	return &packet.Config{Time: func() time.Time { return at }}
}

func signed(t testing.TB, text string, key *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := clearsign.Encode(&b, key.PrivateKey, signing(key))
	check(t, err)
	_, err = w.Write([]byte(text))
	check(t, err)
	check(t, w.Close())
	return append(b.Bytes(), '\n')
}

func detached(t testing.TB, text string, key *openpgp.Entity) []byte {
	t.Helper()
	var b bytes.Buffer
	check(t, openpgp.ArmoredDetachSign(&b, []*openpgp.Entity{key}, strings.NewReader(text), &openpgp.SignParams{Config: signing(key)}))
	return b.Bytes()
}

// inForm compresses an index as its ending says.
func inForm(t testing.TB, ending string, data []byte) []byte {
	t.Helper()
	switch ending {
	case "":
		return data
	case ".gz":
		return gzipped(t, data)
	case ".xz":
		return packed(t, data)
	case ".zst":
		w, err := zstd.NewWriter(nil)
		check(t, err)
		return w.EncodeAll(data, nil)
	}
	t.Fatalf("no index ends in %s", ending)
	return nil
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(data)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}
