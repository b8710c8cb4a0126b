package stages

import (
	"context"
	"path"

	"berries/builder/disk"
	"berries/builder/plan"
	"berries/firstboot/node"
)

// told is what a node is told of its packages.
func (pins *pinned) told(img plan.Image) *node.Packages {
	told := &node.Packages{Pool: plan.Pool, Install: img.Packages.Install, Purge: img.Packages.Purge}
	for _, p := range pins.packages[img.Role] {
		told.Versions = append(told.Versions, node.Package{Name: p.Name, Version: p.Version, Arch: p.Arch})
	}
	return told
}

// writePackages lays the pool of the node's role into the root filesystem.
func writePackages(ctx context.Context, img *image) error {
	root, err := img.tools.OpenExt4(img.path, img.partition(2), img.Epoch)
	if err != nil {
		return err
	}
	pool := img.pins.pools[img.Role]
	list := []disk.Entry{
		{Path: plan.Pool, Kind: disk.Dir, Mode: 0o755},
		{Path: path.Join(plan.Pool, "Packages"), Mode: 0o644, Data: pool.Index},
	}
	for _, e := range list {
		img.manifest.wrote(item{Entry: e})
	}
	for _, f := range pool.Files {
		e := disk.Entry{Path: path.Join(plan.Pool, f.Name), Mode: 0o644, Source: f.Path}
		list = append(list, e)
		img.manifest.copied(e, f.Size, f.SHA256)
	}
	return root.Write(ctx, list)
}
