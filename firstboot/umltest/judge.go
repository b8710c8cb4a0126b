package umltest

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Partition is one entry of a card's partition table, in sectors of 512 bytes.
type Partition struct {
	Start int64  `json:"start"`
	Size  int64  `json:"size"`
	Type  string `json:"type"`
}

// Partitions reads the partition table, by sfdisk.
func (c *Card) Partitions() []Partition {
	c.t.Helper()
	var out struct {
		Table struct{ Partitions []Partition } `json:"partitiontable"`
	}
	if err := json.Unmarshal([]byte(c.tool("", "sfdisk", "--json", c.Path)), &out); err != nil {
		c.t.Fatal(err)
	}
	return out.Table.Partitions
}

// Contents is a copy of a card's two ext4 filesystems. The card itself stays as
// its machine has left it.
type Contents struct {
	root, brick string
	card        *Card
}

// Contents copies the filesystems, has e2fsck replay their journals, as a mount
// would, and find no fault in what is then there.
func (c *Card) Contents() *Contents {
	c.t.Helper()
	dir := filepath.Dir(c.Path)
	out := &Contents{filepath.Join(dir, "root.img"), filepath.Join(dir, "brick.img"), c}
	parts := c.Partitions()
	for path, p := range map[string]Partition{out.root: parts[1], out.brick: parts[2]} {
		if err := c.extract(p, path); err != nil {
			c.t.Fatal(err)
		}
		c.preen(path)
		c.tool("", "e2fsck", "-fn", path)
	}
	return out
}

// preen does what a boot does to a filesystem that was not unmounted. Exit status 1
// says that something was mended: with the feature orphan_file a cut leaves a flag
// for it to clear, even where there are no orphans.
func (c *Card) preen(path string) {
	c.t.Helper()
	cmd := exec.Command("/usr/sbin/e2fsck", "-p", path)
	if out, err := cmd.CombinedOutput(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		c.t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// extract copies one partition into a file, leaving holes for zeros.
func (c *Card) extract(p Partition, path string) error {
	card, err := os.Open(c.Path)
	if err != nil {
		return err
	}
	defer card.Close()
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer out.Close()
	block, zeros := make([]byte, 1<<20), make([]byte, 1<<20)
	for at := int64(0); at < p.Size*512; at += int64(len(block)) {
		n, err := card.ReadAt(block, p.Start*512+at)
		if err != nil && err != io.EOF {
			return err
		}
		if bytes.Equal(block[:n], zeros[:n]) {
			continue
		}
		if _, err := out.WriteAt(block[:n], at); err != nil {
			return err
		}
	}
	return out.Truncate(p.Size * 512)
}

// BrickSize is the size of the brick's filesystem in sectors, by dumpe2fs.
func (c *Contents) BrickSize() int64 {
	t := c.card.t
	t.Helper()
	head := c.card.tool("", "dumpe2fs", "-h", c.brick)
	number := func(key string) int64 {
		found := regexp.MustCompile(`(?m)^` + key + `: *(\d+)$`).FindStringSubmatch(head)
		if found == nil {
			t.Fatalf("dumpe2fs says no %s:\n%s", key, head)
		}
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return number("Block count") * number("Block size") / 512
}

// Read returns a file of the root filesystem, by debugfs.
func (c *Contents) Read(name string) string {
	c.card.t.Helper()
	return c.card.tool("", "debugfs", "-R", "cat "+name, c.root)
}

// BrickStat is what debugfs says of a file of the brick's filesystem, in one
// line.
func (c *Contents) BrickStat(name string) string {
	c.card.t.Helper()
	return strings.Join(strings.Fields(c.card.tool("", "debugfs", "-R", "stat "+name, c.brick)), " ")
}
