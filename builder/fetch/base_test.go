package fetch

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// testImage is a raw disk image: an MBR, something, and much nothing.
func testImage() []byte {
	img := make([]byte, 3<<20)
	copy(img[1<<20:], noise(300_000))
	copy(img[5<<19:], noise(100_000))
	img[510], img[511] = 0x55, 0xaa
	return img
}

// packed is what a program prints when it is given data.
func packed(t *testing.T, data []byte, program ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program[0], program[1:]...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", program, err)
	}
	return out
}

// zipped is a zip archive with data under each name.
func zipped(t *testing.T, data []byte, names ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(data)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// lyingZip holds an image that is longer than the archive says.
func lyingZip(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.CreateRaw(&zip.FileHeader{
		Name: "x.img", Method: zip.Store, CRC32: crc32.ChecksumIEEE(data[:1000]),
		CompressedSize64: uint64(len(data)), UncompressedSize64: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// runners are the two ways to unpack xz.
var runners = map[string]host.Runner{"by xz": host.Exec{}, "in Go": nil}

func TestBaseUnpacks(t *testing.T) {
	img := testImage()
	half := len(img) / 2
	streams := append(packed(t, img[:half], "xz", "-0"), packed(t, img[half:], "xz", "-0")...)
	tests := map[string][]byte{
		"xz":                               packed(t, img, "xz", "-0"),
		"xz of many blocks":                packed(t, img, "xz", "-0", "-T2", "--block-size=512KiB"),
		"xz of two streams":                streams,
		"xz with padding":                  append(streams[:len(streams):len(streams)], make([]byte, 8)...),
		"xz with SHA-256 check":            packed(t, img, "xz", "-0", "--check=sha256"),
		"zstd":                             packed(t, img, "zstd", "-q"),
		"zip":                              zipped(t, img, "2026-09-15-raspios-trixie-arm64-lite.img"),
		"zip with other files besides":     zipped(t, img, "README.txt", "sub/x.IMG", "__MACOSX/._x.img"),
		"a raw image":                      img,
		"a raw image of one sector":        img[:512],
		"xz of an image of one sector":     packed(t, img[:512], "xz"),
		"xz of one that ends with nothing": packed(t, append(img[:len(img):len(img)], make([]byte, 1<<20+512)...), "xz", "-0"),
	}
	want := map[string][]byte{
		"a raw image of one sector":        img[:512],
		"xz of an image of one sector":     img[:512],
		"xz of one that ends with nothing": append(img[:len(img):len(img)], make([]byte, 1<<20+512)...),
	}
	for name, file := range tests {
		for how, runner := range runners {
			t.Run(name+" "+how, func(t *testing.T) {
				want := want[name]
				if want == nil {
					want = img
				}
				path := writeFile(t, "an image", file) // no suffix: the content tells
				c := &Client{Cache: t.TempDir(), Runner: runner}
				got, err := c.Base(t.Context(), Source{File: path})
				checkErr(t, err, "")
				checkFile(t, got.Path, want)
				if bytes.Equal(file, want) != (got.Path == path) {
					t.Errorf("got path %s for %s", got.Path, path)
				}
				if got.Path != path {
					checkMode(t, got.Path)
				}
				wantBase := Base{Path: got.Path, SHA256: digest(want), SourceSHA256: digest(file), Source: path, Origin: path}
				if diff := cmp.Diff(wantBase, got); diff != "" {
					t.Errorf("base (-want +got):\n%s", diff)
				}
				checkImages(t, c.Cache)
			})
		}
	}
}

// checkMode wants a file of the cache to be read-only.
func checkMode(t *testing.T, path string) {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if fi.Mode() != 0o444 {
		t.Errorf("%s has mode %v, want it to be read-only", path, fi.Mode())
	}
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// checkImages wants the images in the cache to be sparse and what
// their .json says, and nothing else to be beside them.
func checkImages(t *testing.T, cache string) {
	t.Helper()
	for _, path := range files(t, cache) {
		if !strings.HasPrefix(path, "images/") {
			continue
		}
		full := filepath.Join(cache, path)
		if image, ok := strings.CutSuffix(full, ".json"); ok {
			if !holds(image, 0) {
				t.Errorf("the cache holds %s of no image", path)
			}
			continue
		}
		var known about
		readJSON(full+".json", &known)
		b, err := os.ReadFile(full)
		if err != nil {
			t.Fatal(err)
		}
		if got := (about{digest(b), int64(len(b))}); !strings.HasSuffix(path, ".img") || got != known {
			t.Errorf("the cache holds %s, %+v, and knows it as %+v", path, got, known)
		}
		var st unix.Stat_t
		if err := unix.Stat(full, &st); err != nil {
			t.Fatal(err)
		}
		if allocated := st.Blocks * 512; allocated > 1<<20 {
			t.Errorf("%s takes %d bytes on the disk; want a sparse file", path, allocated)
		}
	}
}

func TestBaseRefuses(t *testing.T) {
	img := testImage()
	good := packed(t, img, "xz", "-0", "-T2", "--block-size=512KiB")
	flipped := bytes.Clone(good)
	flipped[len(flipped)/2] ^= 1
	iso := bytes.Clone(img)
	copy(iso[32769:], "CD001")
	tests := map[string]struct {
		file []byte
		err  string
	}{
		"an empty file":                       {nil, "it is empty; download it again"},
		"gzip":                                {packed(t, img, "gzip"), "it is compressed with gzip; unpack it with gunzip first"},
		"bzip2":                               {[]byte("BZh91AY&SY"), "it is compressed with bzip2; unpack it with bunzip2 first"},
		"a web page":                          {[]byte("\n<!DOCTYPE html>"), "it is a web page; give the address of the image itself"},
		"an ISO with an MBR":                  {iso, "it is an ISO image"},
		"a tar archive":                       {packed(t, nil, "tar", "-c", "-C", "/etc", "hostname"), "it is a tar archive"},
		"a text":                              {[]byte("not an image"), "it is no disk image, and nothing that one is packed in (xz, zstd, zip)"},
		"one byte":                            {[]byte{0x1f}, "it is no disk image"},
		"xz cut off":                          {good[:len(good)*2/3], "cannot unpack"},
		"xz cut off in its last bytes":        {good[:len(good)-5], "cannot unpack"},
		"xz with garbage behind it":           {append(bytes.Clone(good), "garbage!"...), "cannot unpack"},
		"xz with a flipped bit":               {flipped, "cannot unpack"},
		"xz of no image":                      {packed(t, []byte("not an image"), "xz"), "what is in it is no image"},
		"xz of nothing":                       {packed(t, nil, "xz"), "what is in it is no image"},
		"xz of xz":                            {packed(t, good, "xz", "-0"), "what is in it is packed once more, in xz"},
		"zstd cut off":                        {packed(t, img, "zstd", "-q")[:200_000], "cannot unpack"},
		"zstd with garbage behind it":         {append(packed(t, img, "zstd", "-q"), "garbage!"...), "cannot unpack"},
		"zip with two images":                 {zipped(t, img, "a.img", "b.img"), "there is more than one image in it (a.img, b.img); unpack the one you want first"},
		"zip without an image":                {zipped(t, img, "a.txt"), "there is no .img file in it"},
		"zip cut off":                         {zipped(t, img, "a.img")[:200_000], "cannot unpack"},
		"zip that is longer inside than said": {lyingZip(t, img), "cannot unpack"},
	}
	for name, tt := range tests {
		for how, runner := range runners {
			t.Run(name+" "+how, func(t *testing.T) {
				c := &Client{Cache: t.TempDir(), Runner: runner}
				_, err := c.Base(t.Context(), Source{File: writeFile(t, "raspios.img", tt.file)})
				checkErr(t, err, tt.err)
				for _, f := range files(t, c.Cache) {
					if strings.HasPrefix(f, "images/") {
						t.Errorf("the cache holds %s", f)
					}
				}
			})
		}
	}
}

func TestBaseRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		s   Source
		err string
	}{
		"a directory":        {Source{File: dir}, "it is a directory; name the image in it"},
		"a named pipe":       {Source{File: fifo}, "it is not a regular file; copy the image into one"},
		"nothing":            {Source{File: dir + "/x.img"}, "cannot use " + dir + "/x.img as the base: no such file or directory"},
		"two things at once": {Source{File: "x.img", URL: "https://x.example/x.img"}, "give one of a name, a URL and a file"},
		"no thing":           {Source{}, "give one of a name, a URL and a file"},
		"a short checksum":   {Source{File: fifo, SHA256: "cafe"}, `cannot use the base's sha256 "cafe": want 64 hex digits`},
		"plain http":         {Source{URL: "http://images.example/x.img"}, "over plain http anyone on the way could change it; use https, or give its sha256"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := (&Client{Cache: t.TempDir()}).Base(t.Context(), tt.s)
			checkErr(t, err, tt.err)
		})
	}
}

// mirror is a site with a catalogue of one image, and counts requests by path.
type mirror struct {
	site
	mu    sync.Mutex
	asked map[string]int
}

const liteXZ = "2026-09-15-raspios-trixie-arm64-lite.img.xz"

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.mu.Lock()
	m.asked[r.URL.Path]++
	m.mu.Unlock()
	m.site.ServeHTTP(w, r)
}

// newMirror serves file as the one image of its catalogue, which says that
// these are the checksums of the raw image and of the file.
func newMirror(t *testing.T, file []byte, extract, download string) (*Client, *mirror, *httptest.Server) {
	t.Helper()
	m := &mirror{site: site{"/" + liteXZ: string(file)}, asked: map[string]int{}}
	c, _, srv := catalogueOf(t, m)
	m.site["/top.json"] = fmt.Sprintf(`{"os_list": [{"name": "Lite", "url": %q, "release_date": "2026-09-15",
		"extract_sha256": %q, "image_download_sha256": %q}]}`, srv.URL+"/"+liteXZ, extract, download)
	c.Runner = host.Exec{}
	return c, m, srv
}

func TestBaseByName(t *testing.T) {
	img := testImage()
	file := packed(t, img, "xz", "-0")
	other := digest([]byte("other"))
	tests := map[string]struct {
		extract, download, sidecar, pin string
		err                             string
	}{
		"all checksums are known":           {extract: digest(img), download: digest(file), pin: digest(file)},
		"no checksum at all":                {},
		"only that of the raw image":        {extract: digest(img)},
		"one in a file beside it":           {sidecar: digest(file) + "  " + liteXZ + "\n"},
		"a wrong one of the raw image":      {extract: other, err: "the image in it has SHA-256 " + digest(img) + ", not " + other},
		"a wrong one of the download":       {download: other, err: "what the server sent has SHA-256 " + digest(file) + ", not " + other},
		"a wrong one in a file beside it":   {sidecar: other + "  " + liteXZ + "\n", err: "what the server sent has SHA-256"},
		"a pin on another, seen beside it":  {sidecar: digest(file), pin: other, err: "is not the pinned one"},
		"a pin on another release":          {download: digest(file), pin: other, err: "is not the pinned one; pin its date too, or give the url of the older one"},
		"a file beside it with another sum": {sidecar: other + "  other.img.xz\n", err: "it holds no SHA-256 of " + liteXZ},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, m, srv := newMirror(t, file, tt.extract, tt.download)
			if tt.sidecar != "" {
				m.site["/"+liteXZ+".sha256"] = tt.sidecar
			}
			got, err := c.Base(t.Context(), Source{Name: "raspios-trixie-arm64-lite", SHA256: tt.pin})
			checkErr(t, err, tt.err)
			checkImages(t, c.Cache)
			if tt.err != "" {
				if holds(c.content(digest(file)), 0) {
					t.Error("the bad file is still in the cache")
				}
				return
			}
			checkFile(t, got.Path, img)
			want := Base{
				Path: got.Path, SHA256: digest(img), SourceSHA256: digest(file), Source: c.content(digest(file)), Origin: srv.URL + "/" + liteXZ,
				Name: "2026-09-15-raspios-trixie-arm64-lite", ReleaseDate: "2026-09-15",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("base (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBaseIsFetchedOnceAndThenThereWithoutANetwork(t *testing.T) {
	img := testImage()
	for name, sidecar := range map[string]bool{"with a checksum beside it": true, "without": false} {
		t.Run(name, func(t *testing.T) {
			file := packed(t, img, "xz", "-0")
			c, m, srv := newMirror(t, file, "", "")
			if sidecar {
				m.site["/"+liteXZ+".sha256"] = digest(file) + "  " + liteXZ
			}
			for range 2 {
				_, err := c.Base(t.Context(), Source{Name: "raspios-trixie-arm64-lite"})
				checkErr(t, err, "")
			}
			if n := m.asked["/"+liteXZ]; sidecar && n != 1 || n > 2 { // without, it is asked "changed?"
				t.Errorf("got %d requests for the image", n)
			}
			srv.Close()
			got, err := c.Base(t.Context(), Source{Name: "raspios-trixie-arm64-lite"})
			checkErr(t, err, "")
			checkFile(t, got.Path, img)
		})
	}
}

func TestBaseKnowsAFileItHasRead(t *testing.T) {
	img := testImage()
	path := writeFile(t, "raspios.img", img)
	c := &Client{Cache: t.TempDir()}
	var read int64
	c.Progress = sinkFunc(func(done int64) { read = done })
	for i, want := range []int64{int64(len(img)), 0, int64(len(img))} {
		if i == 2 { // same size, other content
			img[1000]++
			if err := os.WriteFile(path, img, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		read = 0
		got, err := c.Base(t.Context(), Source{File: path})
		checkErr(t, err, "")
		if got.SHA256 != digest(img) || got.Path != path {
			t.Errorf("got %s at %s, want %s at %s", got.SHA256, got.Path, digest(img), path)
		}
		if read != want {
			t.Errorf("time %d: got %d bytes read, want %d", i+1, read, want)
		}
	}
	_, err := c.Base(t.Context(), Source{File: path, SHA256: digest(nil)})
	checkErr(t, err, "raspios.img has SHA-256 "+digest(img)+", not "+digest(nil))
}

func TestBaseOnAFullDisk(t *testing.T) {
	img := testImage()
	file := writeFile(t, "raspios.img.xz", packed(t, img, "xz", "-0"))
	do := childTask{Cache: t.TempDir(), Source: &Source{File: file}, MaxFile: 1 << 20}
	_, err := output(child(t, do))
	checkErr(t, err, "the disk of "+do.Cache+" is full; make room there, or take another folder with --cache")
	checkImages(t, do.Cache)
}

func TestBaseInterrupted(t *testing.T) {
	file := writeFile(t, "raspios.img.xz", packed(t, testImage(), "xz", "-0"))
	for how, runner := range runners {
		t.Run(how, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			c := &Client{Cache: t.TempDir(), Runner: runner}
			tasks := 0
			c.Progress = startFunc(func() sinkFunc {
				tasks++
				return func(done int64) {
					if tasks == 2 && done > 0 { // the first is the checksum
						cancel()
					}
				}
			})
			_, err := c.Base(ctx, Source{File: file})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got error %v, want context canceled", err)
			}
			checkImages(t, c.Cache)
		})
	}
}

// TestBaseKilled kills builds at many moments of one and wants the next to find
// no half image, and to succeed.
func TestBaseKilled(t *testing.T) {
	img := testImage()
	file := packed(t, img, "xz", "-0")
	o := &origin{body: file, etag: `"v1"`}
	srv := httptest.NewServer(o)
	defer srv.Close()
	do := childTask{Cache: t.TempDir(), Source: &Source{URL: srv.URL, SHA256: digest(file)}}
	for i := range 12 {
		cmd := child(t, do)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i) * 10 * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		for _, f := range files(t, do.Cache) {
			b, err := os.ReadFile(filepath.Join(do.Cache, f))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, ".img") && !bytes.Equal(b, img) {
				t.Fatalf("killed after %d ms, %s is %d bytes and not the image", i*10, f, len(b))
			}
			if filepath.Base(f) == digest(file) && !bytes.Equal(b, file) {
				t.Fatalf("killed after %d ms, %s is %d bytes and not the download", i*10, f, len(b))
			}
		}
	}
	path, err := output(child(t, do))
	checkErr(t, err, "")
	checkFile(t, path, img)
	checkImages(t, do.Cache)
}

func TestManyProcessesShareOneBase(t *testing.T) {
	img := testImage()
	o := &origin{body: packed(t, img, "xz", "-0"), etag: `"v1"`}
	srv := httptest.NewServer(o)
	defer srv.Close()
	do := childTask{Cache: t.TempDir(), Source: &Source{URL: srv.URL, SHA256: digest(o.body)}}
	var wait sync.WaitGroup
	for range 5 {
		wait.Go(func() {
			path, err := output(child(t, do))
			if err != nil {
				t.Error(err)
				return
			}
			checkFile(t, path, img)
		})
	}
	wait.Wait()
	if len(o.asked) != 1 {
		t.Errorf("got %d requests, want 1", len(o.asked))
	}
	checkImages(t, do.Cache)
}
