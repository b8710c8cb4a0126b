package pack

import (
	"context"

	"github.com/klauspost/compress/zstd"
)

// frameSize is how much of an image is in one frame: as much as the window at this level,
// so that little is lost by beginning anew.
const frameSize = 8 << 20

// zstd packs the image as frames that know nothing of each other, so that every core
// has one. Each has its size and a checksum; programs unpack all of them as one.
func (j *job) zstd(ctx context.Context) error {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(cores()), zstd.WithZeroFrames(true))
	if err != nil {
		return err
	}
	defer encoder.Close()
	type frame struct {
		size   int64
		packed []byte
	}
	return inOrder(ctx, cores(), func(give giver[frame]) error {
		for at := int64(0); at < j.size; at += frameSize {
			size := min(frameSize, j.size-at)
			if err := give(func(context.Context) (frame, error) {
				p, err := j.read(at, size)
				if err != nil {
					return frame{}, err
				}
				defer j.done(p)
				return frame{size, encoder.EncodeAll(p.data, nil)}, nil
			}); err != nil {
				return err
			}
		}
		return nil
	}, func(f frame) error {
		j.task.Add(f.size)
		_, err := j.Write(f.packed)
		return err
	})
}
