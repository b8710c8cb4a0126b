//go:build root

package main

import (
	"os"
	"testing"

	"berries/firstboot/node"
	"berries/firstboot/umltest"
)

const pool = "/var/lib/berry/pool"

// wholeCard is the size of the card in MiB. The image has a root of 4 GiB.
const wholeCard = 8 << 10

// tell has the console tell which commands were run, and which of some services
// are started: ours, and those that the new packages bring.
func tell() map[string]umltest.File {
	files := map[string]umltest.File{
		"/etc/systemd/system/berry-firstboot.service.d/ran.conf": {Content: "[Service]\nStandardError=journal+console\n"},
	}
	for _, name := range append([]string{"berry-firstboot"}, services...) {
		files["/etc/systemd/system/"+name+".service.d/tell.conf"] = umltest.File{
			Content: "[Service]\nExecStartPre=/bin/sh -c 'echo started: %n >/dev/console'\n"}
	}
	return files
}

// services are those of the new packages.
var services = []string{"apache2", "apache-htcacheclean", "glusterd", "glustereventsd", "rsync"}

// labImage is the image of a storage node for amd64, as berry builds it, that the
// Makefile has made.
func labImage(t *testing.T) string {
	t.Helper()
	image := os.Getenv("BERRY_LAB_IMAGE")
	if image == "" {
		t.Fatal("BERRY_LAB_IMAGE names no image; type: make test-root")
	}
	return image
}

// packagesCard makes a card of that image, which tells more than others, and
// reads the node file on it.
func packagesCard(t *testing.T) (*umltest.Card, node.File) {
	t.Helper()
	c := umltest.FromImage(t, labImage(t), wholeCard, tell())
	f, err := node.Decode([]byte(c.Contents().Read(node.Path)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the pool has %d packages", len(f.Packages.Versions))
	return c, f
}
