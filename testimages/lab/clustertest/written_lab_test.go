//go:build lab

package clustertest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"maps"
	"testing"
	"time"

	"berries/firstboot/host"
)

// A web site of 1,000 files.
const (
	siteFolders = 20
	siteFiles   = 1000
	siteBig     = 10 // of the files: of 1 MiB, the others of some KiB
	siteLinks   = 20
)

// makeUp makes a site up, in a folder, as a tar file and as what must be found of it.
func (c *whole) makeUp(t *testing.T, folder string) (archive []byte, is listing) {
	t.Helper()
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	is = listing{folder: "dir"}
	add := func(h tar.Header, data []byte) {
		h.Size = int64(len(data))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	add(tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755}, nil)
	for i := range siteFolders {
		name := fmt.Sprintf("%s/folder %d", folder, i)
		is[name] = "dir"
		add(tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755}, nil)
	}
	for i := range siteFiles {
		name := fmt.Sprintf("%s/folder %d/page-%d.html", folder, i%siteFolders, i)
		size := 1 + c.chance.IntN(4<<10)
		if i < siteBig {
			size = 1 << 20
		}
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(c.chance.Uint32())
		}
		is[name] = fmt.Sprintf("file %x", sha256.Sum256(data))
		add(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644}, data)
	}
	for i := range siteLinks {
		name, target := fmt.Sprintf("%s/folder %d/link", folder, i%siteFolders), fmt.Sprintf("page-%d.html", i)
		is[name] = "link " + target
		add(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes(), is
}

// furnished has the node write a site where no part before has.
func (c *whole) furnished(t *testing.T, name string) {
	t.Helper()
	if c.site == nil {
		c.write(t, name, "site")
	}
}

// write writes a site through a node's mount. Files get the time at which they are
// written: GlusterFS 11.1 never heals a folder with a link whose time or owner was
// changed while a brick was away (its issue 4064).
func (c *whole) write(t *testing.T, name, folder string) {
	t.Helper()
	archive, is := c.makeUp(t, folder)
	began := time.Now()
	cmd := host.Command("tar", "x", "--no-same-owner", "--touch", "-C", c.file(t, name).Gluster.Mount)
	cmd.Stdin = bytes.NewReader(archive)
	if _, err := (on{c.lab, name}).Run(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files, %d folders and %d links written on %s in %s", siteFiles, siteFolders, siteLinks, name, seconds(time.Since(began)))
	if c.site == nil {
		c.site = listing{}
	}
	maps.Copy(c.site, is)
}
