package stages

import (
	"context"

	"berries/builder/disk"
	"berries/builder/plan"
	"berries/firstboot/node"
)

// Where berry-firstboot lies on a node; its unit names it.
const firstbootPath = "/usr/lib/berry/berry-firstboot"

// item is one thing to write. The content of a secret one, and even its digest,
// stays out of the manifest.
type item struct {
	disk.Entry
	secret bool
}

// writeRootfs lays into the root filesystem what makes it this node's.
func writeRootfs(ctx context.Context, img *image) error {
	root, err := img.tools.OpenExt4(img.path, img.partition(2), img.Epoch)
	if err != nil {
		return err
	}
	if old := img.base.user; old != "" && old != img.User.Name {
		if err := root.Rename(ctx, "/home/"+old, "/home/"+img.User.Name); err != nil {
			return err
		}
	}
	items, err := img.items(ctx, root)
	if err != nil {
		return err
	}
	entries := make([]disk.Entry, len(items))
	for i, it := range items {
		entries[i] = it.Entry
		img.manifest.wrote(it)
	}
	return root.Write(ctx, entries)
}

// items is all that is written, in the order in which it is written: the plan's
// files that suit this base, the node file and the program that reads it, the
// base's own files that change, and what the secrets folder holds.
func (img *image) items(ctx context.Context, root *disk.Ext4) ([]item, error) {
	var list []item
	for _, f := range img.Files {
		if (f.If == "" || img.base.has(f.If)) && (f.Unless == "" || !img.base.has(f.Unless)) {
			list = append(list, item{entry(f), f.Secret})
		}
	}
	if err := img.identify(); err != nil {
		return nil, err
	}
	nodeFile, err := node.Encode(img.NodeFile)
	if err != nil {
		return nil, err
	}
	list = append(list,
		item{disk.Entry{Path: node.Path, Mode: node.Mode, Data: nodeFile}, img.secretive()},
		item{Entry: disk.Entry{Path: firstbootPath, Mode: 0o755, Data: img.base.firstboot}})
	for _, more := range []func(context.Context, *disk.Ext4) ([]item, error){img.edited, img.home, img.radio, img.hostKeys, img.certificates, img.seeds} {
		items, err := more(ctx, root)
		if err != nil {
			return nil, err
		}
		list = append(list, items...)
	}
	return list, nil
}

// entry says a planned file in the words of disk.
func entry(f plan.File) disk.Entry {
	e := disk.Entry{Path: f.Path, Mode: uint32(f.Mode), UID: f.UID, GID: f.GID, Data: f.Data}
	switch {
	case f.Dir:
		e.Kind = disk.Dir
	case f.Link != "":
		e.Kind, e.Target = disk.Symlink, f.Link
	}
	return e
}

// hostKeys are the node's SSH host keys, from the secrets folder.
func (img *image) hostKeys(context.Context, *disk.Ext4) ([]item, error) {
	keys, err := img.Secrets.HostKeys(img.Node)
	if err != nil {
		return nil, err
	}
	var list []item
	for _, k := range keys {
		path := "/etc/ssh/" + k.Name
		list = append(list,
			item{disk.Entry{Path: path, Mode: 0o600, Data: k.Private}, true},
			item{Entry: disk.Entry{Path: path + ".pub", Mode: 0o644, Data: k.Public}})
	}
	return list, nil
}
