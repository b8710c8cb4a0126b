package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"berries/builder/disk"
	"berries/firstboot/node"
)

// record is what the lab knows of a node that the node's own files do not say. The
// lab writes it and reads it.
type record struct {
	Name    string     `json:"name"`
	Role    string     `json:"role"`
	Image   string     `json:"image"`           // absolute
	Mount   string     `json:"mount,omitempty"` // where the brick is mounted on the node; "" without one
	Number  int        `json:"number"`          // in the LAN, from 1
	Address netip.Addr `json:"address"`         // what DHCP gives it
	// Unplugged is for the next boot, too: a cable stays out.
	Unplugged bool `json:"unplugged"`
	// Starts is what the status file counted when the node was last started: as
	// long as it has not gone on from there, the file is of an earlier boot.
	Starts int `json:"starts"`
}

// nodeFile is where the builder puts the node file.
const nodeFile = "/etc/berry/node.json"

// readImage makes the record of the node that an image is for, and reads its node file.
func (l *Lab) readImage(ctx context.Context, image string) (record, node.File, error) {
	path, err := filepath.Abs(image)
	if err != nil {
		return record{}, node.File{}, err
	}
	root, err := partition(path, 2)
	if err != nil {
		return record{}, node.File{}, err
	}
	tools, err := disk.FindTools(ctx, l.run)
	if err != nil {
		return record{}, node.File{}, err
	}
	fs, err := tools.OpenExt4(path, root, time.Time{})
	if err != nil {
		return record{}, node.File{}, err
	}
	files, err := fs.ReadFiles(ctx, nodeFile)
	if err != nil {
		return record{}, node.File{}, err
	}
	f, err := node.Decode(files[nodeFile])
	if err != nil {
		return record{}, node.File{}, fmt.Errorf("%s of %s: %w", nodeFile, image, err)
	}
	n := record{Name: f.Name, Role: f.Role, Image: path}
	if f.Brick != nil {
		n.Mount = f.Brick.Mount
	}
	return n, f, nil
}

// partition finds a partition of an image.
func partition(image string, number int) (disk.Partition, error) {
	table, err := disk.ReadTable(image)
	if err != nil {
		return disk.Partition{}, err
	}
	p, found := table.Partition(number)
	if !found {
		return disk.Partition{}, fmt.Errorf("%s has no partition %d; build it with berry", image, number)
	}
	return p, nil
}

func (l *Lab) load(name string) (record, error) {
	data, err := os.ReadFile(l.path(nodesDir, name, "record.json"))
	if errors.Is(err, fs.ErrNotExist) {
		known, _ := l.Nodes()
		return record{}, fmt.Errorf("there is no node %s in the lab, only %s", name, strings.Join(known, ", "))
	}
	if err != nil {
		return record{}, err
	}
	var n record
	return n, json.Unmarshal(data, &n)
}

func (l *Lab) save(n record) error {
	data, err := json.MarshalIndent(n, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(l.path(nodesDir, n.Name, "record.json"), append(data, '\n'), 0o600)
}

// all are the records of all nodes.
func (l *Lab) all() ([]record, error) {
	names, err := l.Nodes()
	if err != nil {
		return nil, err
	}
	var list []record
	for _, name := range names {
		n, err := l.load(name)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	return list, nil
}
