// Package cluster boots the images of a cluster's nodes side by side, as
// containers with systemd on one Ethernet.
//
// In come images for amd64 that berry has built, one per node. Out comes a Lab: a
// LAN (a bridge in a network namespace, with a router that has DHCP and DNS and no
// way out) and nodes on it, each of them real but for its kernel: systemd and
// everything that it starts come from the image's root partition, whose files a
// node changes in an overlay of its own, and the brick is a copy of the image's
// third partition, grown as on a card. Nodes are started, cut, wiped, unplugged and
// given other addresses by name; strangers join the LAN beside them.
//
// With a remote node or a balancer among them there is an internet, too: the remote node
// is in a house of its own, each house has a router that lets nobody in, the balancer is
// on the internet, and its DNS knows the names that the nodes' files speak of. A provider
// of dynamic DNS is there for whoever has an account by his node file. Routers get other
// addresses, and go offline.
//
// A lab lies in a folder, which is all that is known of it: it stays up when the
// program that has started it ends, and another one opens it. Everything it has
// beyond that folder is named after it, so labs in several folders do not see each
// other: network namespaces, and cgroups, by which all of its processes are found.
// Mounts and loop devices belong to mount namespaces that end with their node's
// last process. Down leaves nothing.
//
// What the lab is not: the kernel is this machine's, and a power cut kills a node's
// processes, but this machine's kernel still writes what they have written (package
// umltest is for what a cut does to a card). A node that reboots by itself stays
// off until it is started. What a node lacks of a board is in quirks.go.
//
// It needs root, cgroup v2 (a hybrid hierarchy does), and the Debian packages
// systemd-container, dnsmasq-base, iproute2, nftables, mount, util-linux and e2fsprogs,
// and for the internet Go.
package cluster

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Lab is a LAN and its nodes.
type Lab struct {
	dir string // absolute
	id  string // what its namespaces and cgroups are named after
	run host.Runner
}

// What is in a lab's folder: a mark that it is one, the nodes' folders by name, and
// the router's.
const (
	markFile  = "berry-lab"
	nodesDir  = "nodes"
	routerDir = "router"
)

// New makes a lab in the folder dir, with the nodes of these images, all of them
// off. The folder is made where it is missing, and must be empty. The images are
// read, not changed, and must stay where they are.
func New(ctx context.Context, dir string, images ...string) (*Lab, error) {
	l, err := at(dir)
	if err != nil {
		return nil, err
	}
	if err := checkNeeds(); err != nil {
		return nil, err
	}
	if err := l.occupy(); err != nil {
		return nil, err
	}
	if err := l.furnish(ctx, images); err != nil {
		return nil, errors.Join(err, l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// Open finds the lab that is in a folder.
func Open(dir string) (*Lab, error) {
	l, err := at(dir)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(l.path(markFile)); err != nil {
		return nil, fmt.Errorf("there is no lab in %s; type: lab up", dir)
	}
	return l, checkRoot()
}

func at(dir string) (*Lab, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(abs))
	return &Lab{dir: abs, id: fmt.Sprintf("berry-%x", sum[:3]), run: host.Exec{}}, nil
}

// occupy makes the lab's folder, or takes an empty one. Of two at the same time one
// gets it.
func (l *Lab) occupy() error {
	if _, err := os.Stat(l.path(markFile)); err == nil {
		return fmt.Errorf("there is a lab in %s already; type: lab down", l.dir)
	}
	// What is on a node is nobody else's business.
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	if entries, err := os.ReadDir(l.dir); err != nil || len(entries) > 0 {
		return errors.Join(err, fmt.Errorf("%s is not empty; choose another folder for the lab", l.dir))
	}
	mark, err := os.OpenFile(l.path(markFile), os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return mark.Close()
}

func (l *Lab) furnish(ctx context.Context, images []string) error {
	if err := os.Mkdir(l.path(nodesDir), 0o700); err != nil {
		return err
	}
	var nodes []record
	var files []node.File
	for i, image := range images {
		n, f, err := l.readImage(ctx, image)
		if err != nil {
			return err
		}
		n.Number = i + 1
		n.Address = n.first()
		if err := os.Mkdir(l.path(nodesDir, n.Name), 0o700); errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is a second image of %s", image, n.Name)
		} else if err != nil {
			return err
		}
		if err := l.save(n); err != nil {
			return err
		}
		nodes, files = append(nodes, n), append(files, f)
	}
	world := sites(nodes)
	for _, s := range world {
		if err := l.startRouter(ctx, s, len(world) > 1); err != nil {
			return err
		}
	}
	if len(world) == 1 {
		return nil
	}
	for _, s := range []site{home, away} {
		if err := l.connectHouse(ctx, s); err != nil {
			return err
		}
	}
	return l.startInternet(ctx, nodes, files)
}

// Nodes are the names of the lab's nodes, sorted.
func (l *Lab) Nodes() ([]string, error) {
	entries, err := os.ReadDir(l.path(nodesDir))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	slices.Sort(names)
	return names, nil
}

// path is a name below the lab's folder.
func (l *Lab) path(names ...string) string {
	return filepath.Join(append([]string{l.dir}, names...)...)
}

// command runs a command whose output nobody needs.
func (l *Lab) command(ctx context.Context, name string, args ...string) error {
	_, err := l.run.Run(ctx, host.Command(name, args...))
	return err
}
