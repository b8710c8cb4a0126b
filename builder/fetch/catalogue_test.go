package fetch

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// site is a server with a file for each path; what it has not is 404.
type site map[string]string

func (s site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	text, ok := s[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", fmt.Sprintf("%q", digest([]byte(text))[:8]))
	if r.Header.Get("If-None-Match") == w.Header().Get("ETag") {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write([]byte(text))
}

// item is a catalogue entry with the file name as its URL's.
func item(title, file string) string {
	return fmt.Sprintf(`{"name": %q, "description": "A port of Debian", "icon": "i.png",
		"url": "https://downloads.raspberrypi.com/raspios/images/%s", "extract_size": 3061841920,
		"extract_sha256": "49fa", "image_download_size": 500, "release_date": "2026-09-16",
		"devices": ["pi5-64bit", "pi4-64bit"], "init_format": "cloudinit-rpi"}`, title, file)
}

func group(title string, items ...string) string {
	return fmt.Sprintf(`{"name": %q, "description": "", "icon": "", "subitems": [%s]}`, title, strings.Join(items, ","))
}

func list(items ...string) string {
	return fmt.Sprintf(`{"imager": {"latest_version": "2.0.0"}, "os_list": [%s]}`, strings.Join(items, ","))
}

// official is a list in the form of the official one.
func official() site {
	return site{
		"/top.json": list(
			item("Raspberry Pi OS (64-bit)", "2026-09-15-raspios-trixie-arm64.img.xz"),
			group("Raspberry Pi OS (other)",
				item("Raspberry Pi OS Lite (64-bit)", "2026-09-15-raspios-trixie-arm64-lite.img.xz"),
				item("Raspberry Pi OS Lite (32-bit)", "2026-09-15-raspios-trixie-armhf-lite.img.xz"),
				group("Older", item("Raspberry Pi OS Lite (64-bit)", "2026-03-04-raspios-trixie-arm64-lite.img.xz")),
			),
			item("Raspberry Pi OS (64-bit)", "2026-09-15-raspios-trixie-arm64.img.xz"), // once more
			group("Media players", item("LibreELEC", "LibreELEC-RPi5.aarch64-12.0.2.img.gz")),
			`{"name": "Legacy", "description": "", "icon": "", "subitems_url": "legacy.json"}`,
			`{"name": "Elsewhere", "description": "", "icon": "", "subitems_url": "https://images.example/list.json"}`,
			`{"name": "Gone", "description": "", "icon": "", "subitems_url": "gone.json"}`,
			`{"name": "Round", "description": "", "icon": "", "subitems_url": "top.json"}`,
			`{"name": "Erase", "description": "Format card as FAT32", "icon": "", "url": "internal://format"}`,
		),
		"/legacy.json": list(item("Raspberry Pi OS (Legacy) Lite", "2026-09-15-raspios-bookworm-armhf-lite.img.xz")),
	}
}

// catalogueOf is a client for the catalogue of a server, and what it logs.
func catalogueOf(t *testing.T, s http.Handler) (*Client, *[]string, *httptest.Server) {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	c := newClient(t, srv)
	c.CatalogueURL = srv.URL + "/top.json"
	var log []string
	c.Log = func(line string) { log = append(log, strings.ReplaceAll(line, srv.URL, "SITE")) }
	return c, &log, srv
}

func TestCatalogue(t *testing.T) {
	c, log, _ := catalogueOf(t, official())
	entries, err := c.Catalogue(t.Context())
	checkErr(t, err, "")
	var got []string
	for _, e := range entries {
		got = append(got, e.Dated+" "+e.Arch+" "+e.Suite)
	}
	want := []string{
		"2026-09-15-raspios-trixie-arm64 arm64 trixie",
		"2026-09-15-raspios-trixie-arm64-lite arm64 trixie",
		"2026-09-15-raspios-trixie-armhf-lite armhf trixie",
		"2026-03-04-raspios-trixie-arm64-lite arm64 trixie",
		"2026-09-15-raspios-bookworm-armhf-lite armhf bookworm",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got):\n%s", diff)
	}
	wantLog := []string{"cannot read SITE/gone.json, a part of the catalogue (the server answered 404 Not Found); going on without it"}
	if diff := cmp.Diff(wantLog, *log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	checkTidy(t, c.Cache)
}

func TestCatalogueEntry(t *testing.T) {
	c, _, _ := catalogueOf(t, official())
	got, err := c.Find(t.Context(), "2026-09-15-raspios-trixie-arm64-lite")
	checkErr(t, err, "")
	want := Entry{
		Name:        "raspios-trixie-arm64-lite",
		Dated:       "2026-09-15-raspios-trixie-arm64-lite",
		Title:       "Raspberry Pi OS Lite (64-bit)",
		Description: "A port of Debian",
		URL:         "https://downloads.raspberrypi.com/raspios/images/2026-09-15-raspios-trixie-arm64-lite.img.xz",
		ReleaseDate: "2026-09-16", ExtractSize: 3061841920, ExtractSHA256: "49fa", DownloadSize: 500,
		Devices: []string{"pi5-64bit", "pi4-64bit"}, Arch: "arm64", Suite: "trixie", InitFormat: "cloudinit-rpi",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entry (-want +got):\n%s", diff)
	}
}

func TestFind(t *testing.T) {
	c, _, _ := catalogueOf(t, official())
	tests := map[string]struct{ name, want, err string }{
		"the newest of a name":     {name: "raspios-trixie-arm64-lite", want: "2026-09-15-raspios-trixie-arm64-lite"},
		"the one of a day":         {name: "2026-03-04-raspios-trixie-arm64-lite", want: "2026-03-04-raspios-trixie-arm64-lite"},
		"a slip of the finger":     {name: "raspois-trixie-arm64-lite", err: "did you mean raspios-trixie-arm64-lite?"},
		"a day that is not listed": {name: "2020-01-01-raspios-trixie-arm64-lite", err: "it has 2026-09-15-raspios-trixie-arm64-lite; for another day's, give the image's url instead"},
		"something else": {name: "ubuntu", err: "the catalogue has no ubuntu; it has raspios-bookworm-armhf-lite, " +
			"raspios-trixie-arm64, raspios-trixie-arm64-lite, raspios-trixie-armhf-lite"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			e, err := c.Find(t.Context(), tt.name)
			checkErr(t, err, tt.err)
			if e.Dated != tt.want {
				t.Errorf("got %q, want %q", e.Dated, tt.want)
			}
		})
	}
}

func TestCatalogueWithoutANetworkIsTheCached(t *testing.T) {
	s := official()
	delete(s, "/gone.json")
	c, log, srv := catalogueOf(t, s)
	online, err := c.Catalogue(t.Context())
	checkErr(t, err, "")
	srv.Close()
	*log = nil
	offline, err := c.Catalogue(t.Context())
	checkErr(t, err, "")
	if diff := cmp.Diff(online, offline); diff != "" {
		t.Errorf("entries (-online +offline):\n%s", diff)
	}
	if len(*log) == 0 || !strings.Contains((*log)[0], "cannot reach SITE/top.json (") {
		t.Errorf("got log %q, want a line that says that the site cannot be reached", *log)
	}

	c.Cache = t.TempDir()
	_, err = c.Catalogue(t.Context())
	checkErr(t, err, "cannot read the catalogue "+c.CatalogueURL+": gave up after 4 attempts")
}

func TestCatalogueFollowsChanges(t *testing.T) {
	s := official()
	c, _, _ := catalogueOf(t, s)
	if _, err := c.Find(t.Context(), "raspios-forky-arm64-lite"); err == nil {
		t.Fatal("got no error for an image that is not listed yet")
	}
	s["/top.json"] = list(item("Raspberry Pi OS", "2027-09-15-raspios-forky-arm64-lite.img.xz"))
	_, err := c.Find(t.Context(), "raspios-forky-arm64-lite")
	checkErr(t, err, "")
}

func TestCatalogueRefuses(t *testing.T) {
	deep := item("Deep", "2026-09-15-raspios-trixie-arm64.img.xz")
	for range maxDepth {
		deep = group("group", deep)
	}
	tests := map[string]struct{ text, err string }{
		"a web page":                  {"<html>Sign in to the Wi-Fi</html>", "it is not in the form of Raspberry Pi Imager's list"},
		"another JSON":                {`{"images": []}`, "it has no os_list"},
		"groups without end":          {list(deep), "its groups are nested more than 8 deep"},
		"more than makes sense":       {list(item(strings.Repeat("x", maxCatalogue), "x")), "it is longer than the 16777216 bytes that make sense"},
		"nothing but other's systems": {list(item("Ubuntu", "ubuntu.img.xz")), ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, _, _ := catalogueOf(t, site{"/top.json": tt.text})
			_, err := c.Catalogue(t.Context())
			checkErr(t, err, tt.err)
			_, err = c.Find(t.Context(), "raspios-trixie-arm64-lite")
			if err == nil {
				t.Error("found an image in it")
			}
		})
	}
	c := &Client{Cache: t.TempDir(), CatalogueURL: "http://images.example/list.json"}
	_, err := c.Catalogue(t.Context())
	checkErr(t, err, "over plain http anyone on the way could change it")
}
