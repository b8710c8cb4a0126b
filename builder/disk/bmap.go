package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"

	"berries/builder/progress"
)

// Bmap is a block map: which blocks of an image a card must hold, each run of
// them with its checksum. Its file is in bmaptool's format 2.0, so that bmaptool
// and Etcher can flash with it.
type Bmap struct {
	ImageSize int64
	Ranges    []BmapRange
	// ImageSHA256 is the checksum of the whole image. It is not part of the
	// file, so ReadBmap leaves it empty.
	ImageSHA256 [sha256.Size]byte
}

// BmapBlock is the size of the blocks that a block map counts in.
const BmapBlock = 4096

// BmapRange is a run of blocks.
type BmapRange struct {
	First, Last int64 // blocks, inclusive
	SHA256      [sha256.Size]byte
}

// Bytes is where run r lies in the image; the last block may be cut short by
// the image's end.
func (b *Bmap) Bytes(r BmapRange) Range {
	return Range{r.First * BmapBlock, min((r.Last+1)*BmapBlock, b.ImageSize)}
}

// MappedBytes is how much a card must hold.
func (b *Bmap) MappedBytes() int64 {
	var n int64
	for _, r := range b.Ranges {
		n += b.Bytes(r).Len()
	}
	return n
}

// MakeBmap reads an image once and makes its block map from the ranges that
// Mapped returned, and the checksum of the whole file with it. Holes are not
// read. The task counts bytes, up to the size of the image.
func MakeBmap(ctx context.Context, image string, mapped []Range, task progress.Task) (*Bmap, error) {
	f, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := makeBmap(ctx, f, mapped, task)
	if err != nil {
		return nil, fmt.Errorf("cannot make the block map of %s: %w", image, err)
	}
	return b, nil
}

func makeBmap(ctx context.Context, f *os.File, mapped []Range, task progress.Task) (*Bmap, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	data, err := dataRanges(f, info.Size())
	if err != nil {
		return nil, err
	}
	wide := alignOut(mapped, BmapBlock, info.Size())
	whole, runs, err := hashAll(ctx, f, info.Size(), data, wide, task)
	if err != nil {
		return nil, err
	}
	b := &Bmap{ImageSize: info.Size(), ImageSHA256: whole}
	for i, r := range wide {
		b.Ranges = append(b.Ranges, BmapRange{r.Start / BmapBlock, (r.End - 1) / BmapBlock, runs[i]})
	}
	return b, nil
}

// Verify reads the mapped blocks of an image, or of a card that it was written
// to, and compares their checksums. The task counts bytes, up to MappedBytes.
func (b *Bmap) Verify(ctx context.Context, image io.ReaderAt, task progress.Task) error {
	buffer := make([]byte, copyChunk)
	for _, r := range b.Ranges {
		h := sha256.New()
		bytes := b.Bytes(r)
		for at := bytes.Start; at < bytes.End; at += copyChunk {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			part := buffer[:min(copyChunk, bytes.End-at)]
			if n, err := image.ReadAt(part, at); err != nil && !(errors.Is(err, io.EOF) && n == len(part)) {
				return fmt.Errorf("cannot read back blocks %d to %d: %w", r.First, r.Last, err)
			}
			h.Write(part)
			task.Add(int64(len(part)))
		}
		if [sha256.Size]byte(h.Sum(nil)) != r.SHA256 {
			return fmt.Errorf("blocks %d to %d do not hold what the image does", r.First, r.Last)
		}
	}
	return nil
}
