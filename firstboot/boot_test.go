//go:build root

// These tests boot the program and its unit on cards in machines of their own
// (package umltest), where they are root; here they need not be.

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"berries/firstboot/node"
	"berries/firstboot/status"
	"berries/firstboot/umltest"

	"github.com/google/go-cmp/cmp"
)

// cardSize is the size of the cards in MiB; the image on them takes up 128.
const cardSize = 512

// unitPath is where the unit lies that goes into every image.
const unitPath = "../overlays/common/usr/lib/systemd/system/berry-firstboot.service"

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
	Brick: &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
}

const fstab = "LABEL=rootfs / ext4 defaults,noatime 0 1\nLABEL=berry-brick /export ext4 defaults,noatime 0 2\n"

// card makes a card with the program, its unit and a node file on it, and the
// settings of a Raspberry Pi OS that nobody has named yet. Files replace these.
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
	all := map[string]umltest.File{
		"/usr/lib/berry/berry-firstboot":                                      {Content: program, Mode: 0o755},
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
	for name, f := range files {
		all[name] = f
	}
	return umltest.NewCard(t, cardSize, all)
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

func step(i int, name string, s status.State) status.Line {
	return status.Line{Number: i, Total: 2, Step: status.Step{Name: name, State: s}}
}

var ready = status.Line{Ready: true}

func TestAFirstBootAndTheNext(t *testing.T) {
	c := card(t, cluster01, nil)
	m := c.Boot("")
	want := []status.Line{step(1, "identity", status.Done), step(2, "card", status.Done), ready}
	if diff := cmp.Diff(want, untilEnd(m)); diff != "" {
		t.Errorf("first boot (-want +got):\n%s", diff)
	}
	for _, l := range m.Seen() {
		t.Log(l)
	}
	m.Cut()
}
