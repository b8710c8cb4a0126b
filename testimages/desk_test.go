package testimages_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"berries/builder/apt/apttest"
	"berries/builder/cli"
	"berries/builder/disk/disktest"
	"berries/builder/fetch"
)

// desk is where a reader of README sits: berry, a home, a key, and a network in
// which Raspberry Pi's server has a small image.
type desk struct {
	http *http.Client
	home string
	key  string // the public half of an SSH key
}

func newDesk(t *testing.T) desk {
	t.Helper()
	return desk{http: official(t), home: t.TempDir(), key: read(t, "../builder/cli/testdata/id.pub")}
}

// berry runs a command in the current folder, and gives its exit code and all
// that it printed.
func (d desk) berry(args ...string) (code int, out string) {
	return d.berryUntil(context.Background(), args...)
}

// berryUntil is berry with somebody who types Ctrl-C when the context ends.
func (d desk) berryUntil(ctx context.Context, args ...string) (code int, out string) {
	var printed bytes.Buffer
	code = cli.Main(ctx, d.env(&printed, args))
	return code, printed.String()
}

// env is what a command finds there.
func (d desk) env(out io.Writer, args []string) cli.Env {
	return cli.Env{
		Args: args, Stdout: out, Stderr: out, HTTP: d.http,
		Getenv:    func(name string) string { return map[string]string{"HOME": d.home}[name] },
		Firstboot: func(arch string) ([]byte, error) { return []byte("berry-firstboot for " + arch + "\n"), nil },
	}
}

// serve starts berry serve, fetches what it says, and presses Ctrl-C.
func (d desk) serve(t *testing.T, args []string) {
	t.Helper()
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	said, out := io.Pipe()
	code := make(chan int, 1)
	args = append(args, "--listen", "127.0.0.1:0") // port 8000 may be taken here
	go func() {
		code <- cli.Main(ctx, d.env(out, args))
		out.Close()
	}()
	lines, all, served := bufio.NewScanner(said), "", false
	for lines.Scan() {
		all += lines.Text() + "\n"
		_, address, ok := strings.Cut(lines.Text(), "rpi-imager --repo ")
		if !ok || served {
			continue
		}
		served = true
		go func() {
			if res, err := http.Get(address); err != nil || res.StatusCode != http.StatusOK {
				t.Errorf("README: %v: %s: %v, %v", args, address, res, err)
			}
			interrupt()
		}()
	}
	if got := <-code; got != 0 || !served {
		t.Errorf("README: %v: exit code %d\n%s", args, got, all)
	}
}

// imagePath is where the official server keeps the image.
const imagePath = "/raspios_lite_arm64/images/2026-09-15-raspios-trixie-arm64-lite.img.xz"

// official starts a server with a catalogue, an image in it and its checksum,
// where Raspberry Pi's server has them, and returns a client that takes it for
// that server.
func official(t *testing.T) *http.Client {
	t.Helper()
	catalogue, err := url.Parse(fetch.OfficialCatalogue)
	if err != nil {
		t.Fatal(err)
	}
	image := disktest.New(t, disktest.Options{Files: apttest.Article(t).Sources()})
	if out, err := exec.Command("xz", "-0", "--keep", image).CombinedOutput(); err != nil {
		t.Fatalf("xz: %v\n%s", err, out)
	}
	size, sum := measure(t, image)
	_, packed := measure(t, image+".xz")
	list, err := json.Marshal(map[string]any{"os_list": []any{map[string]any{
		"name": "Raspberry Pi OS Lite (64-bit)", "url": "https://" + catalogue.Host + imagePath,
		"extract_size": size, "extract_sha256": sum,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(catalogue.Path, func(w http.ResponseWriter, _ *http.Request) { w.Write(list) })
	mux.HandleFunc(imagePath, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, image+".xz") })
	mux.HandleFunc(imagePath+".sha256", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s  %s\n", packed, path.Base(imagePath))
	})
	return clientOf(t, mux)
}

// measure gives the size of a file in bytes and its SHA-256.
func measure(t *testing.T, file string) (size int64, sum string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if size, err = io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return size, fmt.Sprintf("%x", h.Sum(nil))
}

// clientOf serves h by TLS, and returns a client that reaches it under every
// name, and this machine as ever.
func clientOf(t *testing.T, h http.Handler) *http.Client {
	t.Helper()
	server := httptest.NewTLSServer(h)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.TLSClientConfig.ServerName = "example.com" // a name in httptest's certificate
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			address = server.Listener.Addr().String()
		}
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport}
}
