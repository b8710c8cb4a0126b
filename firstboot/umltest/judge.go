package umltest

import (
	"encoding/json"
	"fmt"
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

// Check has e2fsck replay the journals of the two ext4 filesystems, as the next
// boot would, and find no fault in what is then there. The other readers of this
// file want it done first.
func (c *Card) Check() {
	c.t.Helper()
	for _, fs := range []string{c.root(), c.brick()} {
		c.tool("", "e2fsck", "-p", fs)
		c.tool("", "e2fsck", "-fn", fs)
	}
}

// BrickSize is the size of the brick's filesystem in sectors, by dumpe2fs.
func (c *Card) BrickSize() int64 {
	c.t.Helper()
	head := c.tool("", "dumpe2fs", "-h", c.brick())
	number := func(key string) int64 {
		found := regexp.MustCompile(`(?m)^` + key + `: *(\d+)$`).FindStringSubmatch(head)
		if found == nil {
			c.t.Fatalf("dumpe2fs says no %s:\n%s", key, head)
		}
		n, err := strconv.ParseInt(found[1], 10, 64)
		if err != nil {
			c.t.Fatal(err)
		}
		return n
	}
	return number("Block count") * number("Block size") / 512
}

// Read returns a file of the root filesystem, by debugfs.
func (c *Card) Read(name string) string {
	c.t.Helper()
	return c.tool("", "debugfs", "-R", "cat "+name, c.root())
}

// BrickStat is what debugfs says of a file of the brick's filesystem.
func (c *Card) BrickStat(name string) string {
	c.t.Helper()
	return strings.Join(strings.Fields(c.tool("", "debugfs", "-R", "stat "+name, c.brick())), " ")
}

func (c *Card) root() string  { return fmt.Sprintf("%s?offset=%d", c.Path, rootStart<<20) }
func (c *Card) brick() string { return fmt.Sprintf("%s?offset=%d", c.Path, brickStart<<20) }
