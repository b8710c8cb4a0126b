//go:build root

// These tests boot the program and its unit on cards in machines of their own
// (package umltest), where they are root; here they need not be. A machine keeps
// one core busy: they run side by side.

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/status"
	"berries/firstboot/umltest"

	"github.com/google/go-cmp/cmp"
)

// cardSize is the size of the cards in MiB; the image on them takes up 128.
const cardSize = 512

// built is the program, built once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "berry-firstboot")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "berry-firstboot")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	data, err := os.ReadFile(path)
	return string(data), err
})

var cluster01 = node.File{
	Version: node.Version, Cluster: "berries", Name: "cluster01", Role: node.Storage,
	TimeZone: "Europe/Berlin", Locale: "en_GB.UTF-8",
	ID: "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11", Nodes: []node.Node{{Name: "cluster01", Role: node.Storage}},
	Brick: &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
}

// fstab is as the builder writes it.
const fstab = "LABEL=rootfs / ext4 defaults,noatime 0 1\n" +
	"LABEL=berry-brick /export ext4 defaults,noatime,nofail,x-systemd.device-timeout=90s,x-systemd.before=berry-firstboot.service 0 2\n"

// card makes a card with what berry puts on one, and the settings of a Raspberry Pi
// OS that nobody has named yet. Files replace these.
func card(t *testing.T, f node.File, files map[string]umltest.File) *umltest.Card {
	t.Helper()
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile(unitPath)
	if err != nil {
		t.Fatal(err)
	}
	told, err := node.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, f.Name)
	all := map[string]umltest.File{
		node.CertPath:                    {Content: cert, Mode: 0o600},
		node.KeyPath:                     {Content: key, Mode: 0o600},
		node.CAPath:                      {Content: cert, Mode: 0o600},
		"/usr/lib/berry/berry-firstboot": {Content: program, Mode: 0o755},
		"/usr/lib/systemd/system/berry-firstboot.service":                     {Content: string(unit)},
		"/etc/systemd/system/multi-user.target.wants/berry-firstboot.service": {Content: "-> /usr/lib/systemd/system/berry-firstboot.service"},
		node.Path:             {Content: string(told), Mode: node.Mode},
		"/etc/fstab":          {Content: fstab},
		"/etc/hostname":       {Content: "raspberrypi\n"},
		"/etc/hosts":          {Content: "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n"},
		"/etc/localtime":      {Content: "-> /usr/share/zoneinfo/Europe/London"},
		"/etc/timezone":       {Content: "Europe/London\n"},
		"/etc/default/locale": {Content: "LANG=C.UTF-8\n"},
		"/etc/locale.gen":     {Content: "# en_GB.UTF-8 UTF-8\n"},
	}
	maps.Copy(all, files)
	return umltest.NewCard(t, cardSize, all)
}

// selfSigned is the certificate of a node that will not meet another one.
func selfSigned(t *testing.T, name string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{DNSNames: []string{name}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// untilEnd collects the lines of one run: up to ready, or to a step that failed.
func untilEnd(m *umltest.Machine) []status.Line {
	var lines []status.Line
	return umltest.Until(m, "end of berry-firstboot", func(text string) ([]status.Line, bool) {
		line, ok := status.ParseLine(text)
		if !ok {
			return nil, false
		}
		line.Step.Seconds = 0
		lines = append(lines, line)
		return lines, line.Ready || line.Step.State == status.Failed
	})
}

// wantLines compares one run with the states of its two steps. Step card may have
// one of several.
func wantLines(t *testing.T, m *umltest.Machine, identity status.State, card ...status.State) {
	t.Helper()
	want := []status.Line{
		{Number: 1, Total: 2, Step: status.Step{Name: "identity", State: identity}},
		{Number: 2, Total: 2, Step: status.Step{Name: "card", State: card[0]}},
		{Ready: true},
	}
	got := untilEnd(m)
	if len(got) > 1 && slices.Contains(card, got[1].Step.State) {
		want[1].Step.State = got[1].Step.State
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the console (-want +got):\n%s", diff)
	}
}

// wantCard judges a card whose machine was ready and has lost its power.
func wantCard(t *testing.T, c *umltest.Card, brickMiB int64) *umltest.Contents {
	t.Helper()
	in := c.Contents()
	want := []umltest.Partition{
		{Start: 8 * mib, Size: 8 * mib, Type: "c"},
		{Start: 16 * mib, Size: 96 * mib, Type: "83"},
		{Start: 112 * mib, Size: brickMiB * mib, Type: "83"},
	}
	if diff := cmp.Diff(want, c.Partitions()); diff != "" {
		t.Errorf("partition table (-want +got):\n%s", diff)
	}
	if got := in.BrickSize(); got > brickMiB*mib || got <= (brickMiB-8)*mib {
		t.Errorf("the brick's filesystem has %d sectors of %d", got, brickMiB*mib)
	}
	if got := in.BrickStat("/brick"); !strings.Contains(got, "Type: directory Mode: 0755") || !strings.Contains(got, "User: 0 Group: 0") {
		t.Errorf("brick directory: %s", got)
	}
	var s status.Status
	if err := json.Unmarshal([]byte(in.Read(status.Path)), &s); err != nil || !s.Ready {
		t.Errorf("status file: %+v, %v", s, err)
	}
	return in
}

// mib is a MiB in sectors; rest is what the brick has of the card, in MiB.
const (
	mib  = 2048
	rest = cardSize - 112
)

// probe is a service that speaks when systemd has been told that ours is ready.
var probe = map[string]umltest.File{
	"/etc/systemd/system/multi-user.target.wants/probe.service": {Content: "-> /etc/systemd/system/probe.service"},
	"/etc/systemd/system/probe.service": {Content: `[Unit]
Requires=berry-firstboot.service
After=berry-firstboot.service
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'echo "probe: $(systemctl is-active berry-firstboot), $(systemctl show -P StatusText berry-firstboot), $(hostname), $(date +%%Z)"'
StandardOutput=journal+console
`},
	// As it is on a freshly flashed card: systemd takes this for a first boot.
	"/etc/machine-id": {Content: "uninitialized\n"},
}

func TestAFirstBootAndTheNext(t *testing.T) {
	t.Parallel()
	c := card(t, cluster01, probe)
	m := c.Boot("")
	wantLines(t, m, status.Done, status.Done)
	if said, want := m.UntilSays("probe: "), "probe: active, ready, cluster01, CE"; !strings.Contains(said, want) {
		t.Errorf("after it: %q, want %q", said, want)
	}
	m.Cut()
	in := wantCard(t, c, rest)
	for name, want := range map[string]string{
		"/etc/hostname":       "cluster01\n",
		"/etc/hosts":          "127.0.0.1\tlocalhost\n127.0.1.1\tcluster01\n",
		"/etc/timezone":       "Europe/Berlin\n",
		"/etc/default/locale": "LANG=en_GB.UTF-8\n",
		"/etc/locale.gen":     "en_GB.UTF-8 UTF-8\n",
	} {
		if got := in.Read(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	m = c.Boot("")
	wantLines(t, m, status.AlreadyDone, status.AlreadyDone)
	m.Cut()
	wantCard(t, c, rest)
}

// plain is a node whose locale need not be generated, which takes longest.
func plain() node.File {
	f := cluster01
	f.Locale = "C.UTF-8"
	brick := *f.Brick
	f.Brick = &brick
	return f
}

func TestABrickOfAFixedSizeThatIsNotMounted(t *testing.T) {
	t.Parallel()
	f := plain()
	f.Brick.Size = 200 << 20
	c := card(t, f, map[string]umltest.File{
		"/etc/fstab": {Content: "LABEL=rootfs / ext4 defaults 0 1\nLABEL=berry-brick /export ext4 noauto 0 2\n"},
	})
	m := c.Boot("")
	wantLines(t, m, status.Done, status.Done)
	m.Cut()
	wantCard(t, c, 200)
}
