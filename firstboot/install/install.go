// Package install makes a Debian server that cannot be flashed a node of a cluster,
// such as a rented one the balancer. It lays the files that an image would have of that
// node, installs the packages of its role from where the server gets its own, and
// starts berry-firstboot, which does all else.
//
// The server keeps its network, its logins, its SSH host keys and everything else that
// is not the cluster's. Run may be called any number of times, also with what a later
// build has made, and after any cut.
package install

import (
	"context"
	"fmt"
	"io/fs"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// service is berry-firstboot's unit.
const service = "berry-firstboot.service"

// Run makes the machine the node whose files are in from. It says what it does, and
// changes nothing where the machine cannot become that node. It returns when the node
// is ready.
func Run(ctx context.Context, h *host.Host, from fs.FS, say func(doing string)) error {
	data, err := fs.ReadFile(from, node.InstallerFiles+node.Path)
	if err != nil {
		return fmt.Errorf("this is no folder of an installer: %w; type: sh NODE.install", err)
	}
	f, err := node.Read(strings.NewReader(string(data)))
	if err != nil {
		return err
	}
	if err := suits(h, f); err != nil {
		return err
	}
	names, err := fs.ReadFile(from, node.InstallerPackages)
	if err != nil {
		return err
	}
	if err := packages(ctx, h, strings.Fields(string(names)), say); err != nil {
		return err
	}
	say("writing the files of " + f.Name)
	if err := lay(h, from); err != nil {
		return err
	}
	return start(ctx, h, say)
}

// lay writes the files, and the node file, without which the service does not start,
// as the last of them.
func lay(h *host.Host, from fs.FS) error {
	err := fs.WalkDir(from, node.InstallerFiles, func(name string, d fs.DirEntry, err error) error {
		to := strings.TrimPrefix(name, node.InstallerFiles)
		if err != nil || to == "" || to == node.Path {
			return err
		}
		return put(h, from, name, to, d)
	})
	if err != nil {
		return err
	}
	data, err := fs.ReadFile(from, node.InstallerFiles+node.Path)
	if err != nil {
		return err
	}
	return h.Files.Replace(node.Path, data, node.Mode)
}

// put makes one file or folder as it is in from. A folder that is there stays as it is.
func put(h *host.Host, from fs.FS, name, to string, d fs.DirEntry) error {
	info, err := d.Info()
	if err != nil {
		return err
	}
	switch {
	case d.IsDir():
		return h.Files.Mkdir(to, info.Mode().Perm())
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is a %v, and an installer has files and folders only", name, info.Mode().Type())
	}
	data, err := fs.ReadFile(from, name)
	if err != nil {
		return err
	}
	return h.Files.Replace(to, data, info.Mode().Perm())
}

// start starts the service, now and at every boot.
func start(ctx context.Context, h *host.Host, say func(string)) error {
	if err := h.Units.Reload(ctx); err != nil {
		return err
	}
	if err := h.Units.Enable(ctx, service); err != nil {
		return err
	}
	say("starting " + service)
	if err := h.Units.Restart(ctx, service); err != nil {
		return fmt.Errorf("%s is not ready yet, and goes on trying: %w; type: /usr/lib/berry/berry-firstboot status", service, err)
	}
	return nil
}
