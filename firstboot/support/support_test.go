package support

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/report"

	"github.com/google/go-cmp/cmp"
)

// full is a node file in which every field has a value of its own, so that none can be
// forgotten here.
func full() node.File {
	var f node.File
	fill(reflect.ValueOf(&f).Elem(), "File")
	f.Name, f.Role = "cluster01", node.Storage
	f.Nodes[0].Name = "cluster01"
	f.Tunnel.Ends[0] = node.End{Name: "cluster01", Address: "10.83.0.1", Key: "public"}
	f.Gluster.Volume, f.Brick.Dir = "volpi", "/export/brick"
	return f
}

func fill(v reflect.Value, name string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(`value "of" ` + name)
	case reflect.Int, reflect.Int64:
		v.SetInt(8081)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), name)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	}
}

// silence is a peer service that has found nobody.
type silence struct{}

func (silence) Addresses() []netip.Addr { return nil }
func (silence) Fetch(context.Context, string, string) (io.ReadCloser, error) {
	return nil, errors.New("it is silent")
}

// told is a runner whose every command says the same.
type told struct{ says string }

func (o told) Run(_ context.Context, cmd host.Cmd) (host.Result, error) {
	if cmd.Name == "gluster" {
		return host.Result{Stdout: []byte(o.says)}, errors.New("gluster: " + o.says)
	}
	return host.Result{Stdout: []byte(o.says)}, nil
}

// Elsewhere on the node: what is in no node file.
var elsewhere = map[string]string{
	"/etc/berry/tls/node.key": "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0waw\n-----END PRIVATE KEY-----\n",
	"/etc/shadow":             "pi:$y$j9T$abcdefgh$ijklmnop:20000:0:99999:7:::\n",
	"/etc/NetworkManager/system-connections/berry-wifi.nmconnection": "[wifi-security]\npsk=correct horse battery\n",
	"/etc/ssh/ssh_host_ed25519_key":                                  "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE\n-----END OPENSSH PRIVATE KEY-----\n",
	"/var/lib/glusterd/vols/volpi/info":                              "password=9c1c8a6e-8c5b-4d0c-9c0e-0d3f7f6f4c11\n",
	"/var/lib/apache2/md/domains/www.example.org/privkey.pem":        "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0dZ1xT3p2QmYw\n-----END RSA PRIVATE KEY-----\n",
}

// hidden is what of elsewhere must be nowhere.
var hidden = []string{
	"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0waw", "$y$j9T$abcdefgh$ijklmnop", "correct horse battery",
	"b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE", "9c1c8a6e-8c5b-4d0c-9c0e-0d3f7f6f4c11", "MIIEpAIBAAKCAQEA7bq0dZ1xT3p2QmYw",
}

// leaky is a node all of whose logs and programs say every secret of it, in every form.
func leaky(t *testing.T, f node.File) (s *Support, secrets []string) {
	secrets = append(f.Secrets(), hidden...)
	var says strings.Builder
	says.WriteString("the beginning\n")
	for _, secret := range secrets {
		text, err := json.Marshal(secret)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&says, "%s %s %q %s\n", secret, text, secret, url.QueryEscape(secret))
	}
	files := map[string]string{"/proc/self/mountinfo": "", "/var/log/apache2/access.log": "a visitor\n"}
	for name, text := range elsewhere {
		files[name] = text
	}
	for _, name := range []string{"/var/log/glusterfs/glusterd.log", "/var/log/glusterfs/bricks/export-brick.log", "/var/log/glusterfs/geo-replication/a/gsyncd.log", "/var/log/apache2/error.log"} {
		files[name] = says.String()
	}
	h := hosttest.New(t, files)
	h.Host.Clock, h.Host.Runner = host.Wall{}, told{says.String()}
	state := func() peers.State { return peers.State{Step: "step 3/9 web: failed: " + says.String()} }
	return New(h.Host, f, report.New(h.Host, f, state, silence{})), secrets
}

// inner is what is between two quotes.
func inner(quoted string) string { return quoted[1 : len(quoted)-1] }

// unpacked is what is in a bundle.
func unpacked(t *testing.T, packed io.Reader) map[string]string {
	t.Helper()
	plain, err := gzip.NewReader(packed)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for in := tar.NewReader(plain); ; {
		head, err := in.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := files[head.Name]; twice {
			t.Errorf("%s is in the bundle twice", head.Name)
		}
		files[head.Name] = string(text)
	}
}

func TestNoSecretLeavesTheNode(t *testing.T) {
	f := full()
	s, secrets := leaky(t, f)
	if len(secrets) < 5+len(hidden) {
		t.Fatalf("there are only %d secrets: %q", len(secrets), secrets)
	}
	w := httptest.NewRecorder()
	s.Bundle().ServeHTTP(w, httptest.NewRequest(http.MethodGet, BundlePath, nil))
	files := unpacked(t, w.Body)
	w = httptest.NewRecorder()
	s.Logs().ServeHTTP(w, httptest.NewRequest(http.MethodGet, LogsPath, nil))
	files["the logs"] = w.Body.String()
	for name, text := range files {
		for _, secret := range secrets {
			for _, form := range []string{secret, inner(strconv.Quote(secret)), inner(strconv.Quote(inner(strconv.Quote(secret)))), url.QueryEscape(secret)} {
				if strings.Contains(text, form) {
					t.Errorf("%s has the secret %s", name, form)
				}
			}
		}
		if strings.Contains(text, "a visitor") {
			t.Errorf("%s has what visitors asked for", name)
		}
	}
	for name, want := range map[string]string{
		"node.json": `"login": "value \"of\" File.DDNS.Login"`, "report.json": "the beginning", "cluster.json": "the beginning",
		"logs/journal-berry-firstboot.service.txt": "the beginning\n" + node.Blank, "logs/var/log/glusterfs/bricks/export-brick.log": "the beginning\n" + node.Blank,
		"logs/var/log/glusterfs/geo-replication/a/gsyncd.log": node.Blank, "logs/var/log/apache2/error.log": node.Blank,
		"gluster/peers.txt": "gluster: the beginning", "system/tunnel.txt": node.Blank, "the logs": "== journalctl",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s lacks %q: %.200s", name, want, files[name])
		}
	}
}

func TestTheEndOfALog(t *testing.T) {
	long := strings.Repeat("x", maxTail)
	for want, tt := range map[string]struct {
		text  string
		lines int
	}{
		"b\nc\n": {"a\nb\nc\n", 2},
		"a\nb\n": {"a\nb\n", 9},
		"b":      {"a\nb", 1},
		"":       {"", 3},
		"z\n":    {"a\n" + long + "y\nz\n", 3}, // the long line is cut off in front
	} {
		h := hosttest.New(t, map[string]string{"/log": tt.text})
		got, err := tail(h.Files, "/log", tt.lines)
		if diff := cmp.Diff(want, string(got)); diff != "" || err != nil && want != "" {
			t.Errorf("%d lines of %.20q: %v (-want +got):\n%s", tt.lines, tt.text, err, diff)
		}
	}
}

func TestHowManyLines(t *testing.T) {
	s, _ := leaky(t, full())
	for query, want := range map[string]int{"": 200, "?lines=5": 200, "?lines=0": 400, "?lines=many": 400, "?lines=5001": 400} {
		w := httptest.NewRecorder()
		s.Logs().ServeHTTP(w, httptest.NewRequest(http.MethodGet, LogsPath+query, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", query, w.Code, want)
		}
	}
}
