package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A person starts it, types what it says into Imager, and presses Ctrl-C.
func TestServe(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"cluster01.img": "an image",
		"cluster01.img.manifest.json": `{"version": 1, "node": "cluster01", "role": "storage", "base": {"architecture": "arm64"},
			"image": {"file": "cluster01.img", "size": 8, "sha256": "00", "files": [{"form": "img", "file": "cluster01.img", "size": 8, "sha256": "00"}]}}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	said, out := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- Main(ctx, Env{Args: []string{"serve", dir, "--listen", "127.0.0.1:0"}, Stdout: out, Stderr: out})
		out.Close()
	}()
	lines := bufio.NewScanner(said)
	var address string
	for address == "" && lines.Scan() {
		_, address, _ = strings.Cut(lines.Text(), "rpi-imager --repo ")
	}
	log := make(chan string, 1)
	go func() {
		var all strings.Builder
		for lines.Scan() {
			fmt.Fprintln(&all, lines.Text())
		}
		log <- all.String()
	}()
	for url, want := range map[string]string{
		address: `"name": "cluster01 (storage)"`,
		strings.TrimSuffix(address, "os_list.json") + "cluster01.img": "an image",
	} {
		if got := get(t, url); !strings.Contains(got, want) {
			t.Errorf("%s is %q, want %q", url, got, want)
		}
	}
	interrupt()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d", got)
	}
	if all := <-log; !strings.Contains(all, "127.0.0.1: os_list.json: 200, ") || !strings.Contains(all, "Ctrl-C ends it.") {
		t.Errorf("it said\n%s", all)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
