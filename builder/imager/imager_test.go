package imager

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"berries/builder/pack"
	"berries/builder/stages"
)

// content is what an image file of the tests holds.
func content(name string) []byte { return bytes.Repeat([]byte(name+" "), 1000) }

// built leaves in dir what a build of a node does, in the given forms.
func built(t *testing.T, dir, node, arch string, forms ...pack.Form) {
	t.Helper()
	m := stages.Manifest{Version: 1, Cluster: "berries", Node: node, Role: "storage",
		Base: stages.ManifestBase{Suite: "trixie", Architecture: arch}, Time: time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC),
		Image: stages.ManifestImage{File: node + ".img", Size: 4 << 30, SHA256: strings.Repeat("ab", 32)}}
	for _, form := range forms {
		name := node + "." + string(form)
		write(t, filepath.Join(dir, name), content(name))
		m.Image.Files = append(m.Image.Files, pack.File{Form: form, File: name, Size: int64(len(content(name))), SHA256: fmt.Sprintf("%x", sha256.Sum256(content(name)))})
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, node+".img.manifest.json"), text)
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// validate holds a list against Imager's own schema.
func validate(t *testing.T, list []byte) error {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("testdata/os-list-schema.json")
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestTheListIsValidByImagersSchema(t *testing.T) {
	dir := t.TempDir()
	built(t, dir, "cluster01", "arm64", pack.Raw, pack.Zstd, pack.XZ)
	built(t, dir, "cluster02", "armhf", pack.Raw)
	images, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.MarshalIndent(NewList(images, func(i Image) string { return "http://pc/" + i.File.File }), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(t, list); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{`"release_date"`, `"none"`, `"tags"`, `"devices": [`, `"os_list"`} {
		if err := validate(t, bytes.Replace(list, []byte(wrong), []byte(strings.Replace(wrong, `"`, `"x`, 1)), 1)); err == nil {
			t.Errorf("the schema takes a list with a slip in %s", wrong)
		}
	}
}

func TestAListTellsWhatImagerChecks(t *testing.T) {
	dir := t.TempDir()
	built(t, dir, "cluster01", "arm64", pack.Raw, pack.XZ)
	images, err := Find(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := NewList(images, func(i Image) string { return "http://pc/" + i.File.File })
	file := content("cluster01.img.xz")
	want := []Entry{{
		Name: "cluster01 (storage)", Description: "Node of the cluster berries, finished: nothing to customise",
		Icon: osIcon, URL: "http://pc/cluster01.img.xz", ExtractSize: 4 << 30, ExtractSHA256: strings.Repeat("ab", 32),
		DownloadSize: int64(len(file)), DownloadSHA256: fmt.Sprintf("%x", sha256.Sum256(file)), ReleaseDate: "2026-09-15",
		InitFormat: "none", Devices: []string{"pi5-64bit", "pi4-64bit", "pi3-64bit"}, Architecture: "armv8",
	}}
	if diff := cmp.Diff(want, list.OSList); diff != "" {
		t.Errorf("the entries (-want +got):\n%s", diff)
	}
	var offered []string
	for _, d := range list.Imager.Devices {
		offered = append(offered, d.Name)
	}
	if diff := cmp.Diff([]string{"Raspberry Pi 5", "Raspberry Pi 4", "Raspberry Pi 3", "Raspberry Pi Zero 2 W"}, offered); diff != "" {
		t.Errorf("the boards (-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	built(t, dir, "cluster01", "arm64", pack.Raw, pack.Zstd, pack.XZ)
	built(t, dir, "cluster02", "arm64", pack.Raw, pack.Zstd)
	built(t, dir, "old", "arm64")
	write(t, filepath.Join(dir, "old.img"), nil)
	built(t, filepath.Join(dir, "lab"), "x", "amd64", pack.Raw)
	built(t, filepath.Join(dir, "short"), "x", "arm64", pack.Raw)
	write(t, filepath.Join(dir, "short", "x.img"), []byte("cut off"))
	write(t, filepath.Join(dir, "empty", "x.img"), []byte("no manifest"))
	built(t, filepath.Join(dir, "torn"), "x", "arm64", pack.Raw)
	write(t, filepath.Join(dir, "torn", "x.img.manifest.json"), []byte("{"))
	for name, tt := range map[string]struct {
		paths []string
		want  string // base names, or what the error says
	}{
		"one form of each":         {[]string{"cluster01.img.zst", "cluster02.img"}, "cluster01.img.zst cluster02.img"},
		"a folder that has none":   {[]string{"empty"}, "there is no manifest"},
		"an image that has none":   {[]string{"empty/x.img"}, "there is no manifest"},
		"a form that was not made": {[]string{"cluster02.img.xz"}, "no such file"},
		"one for no Raspberry Pi":  {[]string{"lab"}, "is for amd64"},
		"one of another length":    {[]string{"short"}, "has 7 bytes, and its manifest says"},
		"a torn manifest":          {[]string{"torn"}, "torn/x.img.manifest.json"},
		"one from before forms":    {[]string{"old.img"}, "has 0 bytes, and its manifest says 4294967296"},
		"nothing":                  {[]string{"nowhere"}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			var paths, got []string
			for _, p := range tt.paths {
				paths = append(paths, filepath.Join(dir, p))
			}
			images, err := Find(paths...)
			for _, i := range images {
				got = append(got, i.File.File)
			}
			if err != nil {
				got = append(got, err.Error())
			}
			if all := strings.Join(got, " "); !strings.Contains(all, tt.want) {
				t.Errorf("got %s, want %s", all, tt.want)
			}
		})
	}
}

const token = "abcdefghijklmnop"

// serving serves a folder as a person may have it: images, and what lies beside them. End
// ends it, and gives the log.
func serving(t *testing.T) (url string, end func() string) {
	t.Helper()
	dir := t.TempDir()
	built(t, dir, "cluster01", "arm64", pack.Raw, pack.XZ)
	for _, name := range []string{"berries.yaml", "ddns-password", "berries.secrets/ca.key", "berries.secrets/x.img", "cluster01.img.sbom.spdx.json", "stray.img", ".cluster01.img.partial"} {
		write(t, filepath.Join(dir, name), []byte("TOP SECRET"))
	}
	built(t, dir, "linked", "arm64", pack.Raw)
	outside := filepath.Join(t.TempDir(), "outside")
	write(t, outside, bytes.Repeat([]byte("TOP SECRET"), len(content("linked.img"))/10))
	if err := os.Remove(filepath.Join(dir, "linked.img")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "linked.img")); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var log strings.Builder
	server := httptest.NewServer(&Server{Dir: dir, Token: token, Log: func(line string) {
		mu.Lock()
		defer mu.Unlock()
		log.WriteString(line + "\n")
	}})
	t.Cleanup(server.Close)
	return server.URL, func() string {
		server.Close() // a line is written when the answer is out
		return log.String()
	}
}

// ask sends a request as it is, and gives what is answered.
func ask(t *testing.T, method, url, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.URL.Opaque = path // nothing is cleaned away
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(body)
}

func TestServer(t *testing.T) {
	url, end := serving(t)
	image := string(content("cluster01.img.xz"))
	for name, tt := range map[string]struct {
		method, path string
		header       []string
		status       int
		body, kind   string
	}{
		"an image":            {"GET", "/" + token + "/cluster01.img.xz", nil, 200, image, "application/x-xz"},
		"its other form":      {"GET", "/" + token + "/cluster01.img", nil, 200, string(content("cluster01.img")), "application/octet-stream"},
		"a part of it":        {"GET", "/" + token + "/cluster01.img.xz", []string{"Range", "bytes=100-199"}, 206, image[100:200], "application/x-xz"},
		"one that is old":     {"GET", "/" + token + "/cluster01.img.xz", []string{"Range", "bytes=100-199", "If-Range", `"other"`}, 200, image, "application/x-xz"},
		"more than there is":  {"GET", "/" + token + "/cluster01.img.xz", []string{"Range", "bytes=999999-"}, 416, "", ""},
		"its length":          {"HEAD", "/" + token + "/cluster01.img.xz", nil, 200, "", "application/x-xz"},
		"a change":            {"PUT", "/" + token + "/cluster01.img.xz", nil, 405, "", ""},
		"a form not made":     {"GET", "/" + token + "/cluster01.img.zst", nil, 404, "", ""},
		"no token":            {"GET", "/cluster01.img.xz", nil, 404, "", ""},
		"the list without it": {"GET", "/" + ListName, nil, 404, "", ""},
		"another token":       {"GET", "/abcdefghijklmnoq/cluster01.img.xz", nil, 404, "", ""},
		"half the token":      {"GET", "/abcdefgh/cluster01.img.xz", nil, 404, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := ask(t, tt.method, url, tt.path, tt.header...)
			if res.StatusCode != tt.status || tt.status < 300 && body != tt.body || tt.kind != "" && res.Header.Get("Content-Type") != tt.kind {
				t.Errorf("got %s of %s, %d bytes", res.Status, res.Header.Get("Content-Type"), len(body))
			}
			if tt.status >= 400 && len(body) > 100 {
				t.Errorf("the refusal says %q", body)
			}
		})
	}
	log := end()
	if strings.Contains(log, token) || !strings.Contains(log, ": cluster01.img.xz: 206, 100 B in ") ||
		!strings.Contains(log, "127.0.0.1: something without the token: 404, ") {
		t.Errorf("the log is\n%s", log)
	}
}

// Whatever lies beside the images stays there, also for who knows the token.
func TestOnlyImagesAreServed(t *testing.T) {
	url, _ := serving(t)
	for _, path := range []string{"", ".", "/", "berries.yaml", "ddns-password", "berries.secrets", "berries.secrets/", "berries.secrets/ca.key",
		"berries.secrets/x.img", "berries.secrets%2fx.img", "./berries.secrets/x.img", "cluster01.img.manifest.json", "cluster01.img.sbom.spdx.json",
		"stray.img", ".cluster01.img.partial", "linked.img", "../" + token + "/berries.yaml", "..%2fberries.yaml", "cluster01.img/../berries.yaml", "%00", "cluster01.img%00"} {
		res, body := ask(t, "GET", url, "/"+token+"/"+path)
		if res.StatusCode != 404 || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %s\n%s", path, res.Status, body)
		}
	}
}

func TestTheServedListLeadsToTheImages(t *testing.T) {
	dir := t.TempDir()
	built(t, dir, "cluster01", "arm64", pack.Raw, pack.XZ)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	s := &Server{Dir: dir, Token: token, Log: func(string) {}}
	go func() { ended <- s.Run(ctx, l) }()
	urls, err := s.URLs(l)
	if err != nil || len(urls) != 1 {
		t.Fatalf("got addresses %v, %v", urls, err)
	}
	res, body := ask(t, "GET", urls[0], "")
	if res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the list is %s", res.Header.Get("Content-Type"))
	}
	if err := validate(t, []byte(body)); err != nil {
		t.Error(err)
	}
	var list List
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	if _, image := ask(t, "GET", list.OSList[0].URL, ""); image != string(content("cluster01.img.xz")) {
		t.Errorf("at %s there are %d bytes of something else", list.OSList[0].URL, len(image))
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestATokenCannotBeGuessed(t *testing.T) {
	if a, b := NewToken(), NewToken(); len(a) < 26 || a == b {
		t.Errorf("got %s and %s", a, b)
	}
}
