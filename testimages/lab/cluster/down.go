package cluster

import (
	"context"
	"errors"
	"os"
	"strings"

	"berries/firstboot/host"
)

// Down takes the lab away, whatever state it is in: processes, cgroups, namespaces,
// mounts, loop devices, its folder. The lab must not be used afterwards.
func (l *Lab) Down(ctx context.Context) error {
	err := l.group("").kill(ctx)
	names, listErr := l.Nodes()
	if !errors.Is(listErr, os.ErrNotExist) {
		err = errors.Join(err, listErr)
	}
	for _, name := range names {
		err = errors.Join(err, l.released(ctx, name))
	}
	err = errors.Join(err, l.removeNamespaces(ctx))
	if err != nil {
		return err // the folder is what the next try finds the rest by
	}
	return os.RemoveAll(l.dir)
}

// removeNamespaces takes away the network namespaces of nodes, strangers and the
// router.
func (l *Lab) removeNamespaces(ctx context.Context) error {
	entries, err := os.ReadDir(netns)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err = nil
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), l.Namespace("")) {
			err = errors.Join(err, l.command(ctx, "ip", "netns", "del", e.Name()))
		}
	}
	if _, before := os.Stat(l.path(routerDir, madeNetns)); err != nil || before != nil {
		return err
	}
	// ip has mounted the folder upon itself for us, and never undoes that.
	if entries, err := os.ReadDir(netns); err != nil || len(entries) > 0 {
		return err // others have come to use it
	}
	return errors.Join(l.command(ctx, "umount", netns), os.Remove(netns))
}

// madeNetns says, in the router's folder, that nothing was mounted there before the
// lab.
const madeNetns = "made-netns"

// noteNetns keeps in mind whether Down has to unmount the folder of namespaces.
func (l *Lab) noteNetns() error {
	files, err := host.OpenFiles("/")
	if err != nil {
		return err
	}
	defer files.Close()
	_, mounted, err := (&host.Host{Files: files}).MountAt(netns)
	if err != nil || mounted {
		return err
	}
	return os.WriteFile(l.path(routerDir, madeNetns), nil, 0o600)
}
