package stages

import (
	"context"
	"path"

	"berries/builder/disk"
)

// makeBrick makes the filesystem of p3 with an empty brick directory in it. A
// node without a brick has no p3.
func makeBrick(ctx context.Context, img *image) error {
	if img.Brick == nil {
		return nil
	}
	return img.tools.MakeBrick(ctx, img.path, img.partition(3), disk.Brick{
		Label: img.Brick.Label,
		UUID:  img.Brick.UUID,
		Seed:  img.Brick.HashSeed,
		Dir:   path.Base(img.Brick.Dir),
		Time:  img.Epoch,
	})
}
