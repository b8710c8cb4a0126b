package stages

import (
	"context"
	"os"

	"berries/builder/disk"
	"berries/builder/plan"
)

// writeTable gives the image its own disk signature and p3 its place behind p2,
// and the file the length for it.
func writeTable(_ context.Context, img *image) error {
	boot, root := img.base.table.Partitions[0], img.base.table.Partitions[1]
	img.table = disk.Table{Signature: uint32(img.Signature), Partitions: []disk.Partition{boot, root}}
	if img.Brick != nil {
		img.table.Partitions = append(img.table.Partitions, disk.Partition{
			Number: 3, Type: disk.TypeLinux, Start: plan.AlignUp(root.End()), Size: disk.MinBrick})
	}
	if err := os.Truncate(img.path, img.size()); err != nil {
		return err
	}
	return disk.WriteTable(img.path, img.table)
}

// size is that of the finished image in bytes.
func (img *image) size() int64 {
	end := img.base.table.Partitions[1].End()
	if img.Brick != nil {
		end = plan.AlignUp(end) + disk.MinBrick
	}
	return end
}
