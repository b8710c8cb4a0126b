package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"berries/builder/disk"

	"berries/firstboot/host"
)

// splicer writes images as xz files.
type splicer struct {
	run    host.Runner
	base   *container // nil when nothing can be copied
	packed *os.File   // the file of base
	raw    *os.File   // what is packed in it
	check  check
	level  int

	mu sync.Mutex
	// known is where in the files written so far a block with that content is. Images
	// are the same in much of what they do not have from the base: packages, free space.
	known map[[sha256.Size]byte]segment
}

// segment is blocks of an image, and the bytes of a file that they are packed in.
type segment struct {
	from   io.ReaderAt
	at     int64
	blocks []block            // one behind the other
	sum    *[sha256.Size]byte // of what a new block holds; nil for those that were there
}

// write writes the image of j.
func (s *splicer) write(ctx context.Context, j *job) error {
	out := &container{check: s.check}
	if _, err := j.Write(out.header()); err != nil {
		return err
	}
	err := inOrder(ctx, cores(), func(give giver[[]segment]) error {
		return s.cells(j.size, func(c cell) error {
			return give(func(ctx context.Context) ([]segment, error) { return s.pack(ctx, j, c) })
		})
	}, func(all []segment) error {
		for _, seg := range all {
			if err := s.put(j, out, seg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	_, err = j.Write(out.trailer())
	return err
}

// put appends a segment to the file.
func (s *splicer) put(j *job, out *container, seg segment) error {
	written := segment{from: j.to, at: out.end()}
	var length int64
	for _, b := range seg.blocks {
		length += b.padded()
		written.blocks = append(written.blocks, out.add(b.unpadded, b.size))
		j.task.Add(b.size)
	}
	if n, err := io.Copy(j, io.NewSectionReader(seg.from, seg.at, length)); err != nil || n < length {
		return errors.Join(err, fmt.Errorf("got %d of %d bytes", n, length))
	}
	if seg.sum != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.known[*seg.sum] = written
	}
	return nil
}

// pack makes the segments of a cell: blocks of the base where the image has the same,
// and new ones for what is between them.
func (s *splicer) pack(ctx context.Context, j *job, c cell) ([]segment, error) {
	var all []segment
	done := c.start // all before it is in a segment
	for _, b := range c.blocks {
		same, err := s.same(ctx, j, b)
		if err != nil {
			return nil, err
		}
		if !same {
			continue
		}
		if all, err = s.renew(ctx, j, all, done, b.start); err != nil {
			return nil, err
		}
		all = append(all, segment{from: s.packed, at: b.at, blocks: []block{b}})
		done = b.end()
	}
	return s.renew(ctx, j, all, done, c.end)
}

// same tells whether the image holds in a block what the base does.
func (s *splicer) same(ctx context.Context, j *job, b block) (bool, error) {
	if whole := (disk.Range{Start: b.start, End: b.end()}); disk.IsHole(j.from, whole) && disk.IsHole(s.raw, whole) {
		return true, nil
	}
	const part = 1 << 20
	ours, theirs := make([]byte, part), make([]byte, part)
	for at := b.start; at < b.end(); at += part {
		if err := context.Cause(ctx); err != nil {
			return false, err
		}
		n := min(part, b.end()-at)
		if _, err := j.from.ReadAt(ours[:n], at); err != nil {
			return false, err
		}
		if _, err := s.raw.ReadAt(theirs[:n], at); err != nil {
			return false, err
		}
		if !bytes.Equal(ours[:n], theirs[:n]) {
			return false, nil
		}
	}
	return true, nil
}

// renew appends new blocks for a part of the image.
func (s *splicer) renew(ctx context.Context, j *job, all []segment, start, end int64) ([]segment, error) {
	for at := start; at < end; at += pieceSize {
		p, err := j.read(at, min(pieceSize, end-at))
		if err != nil {
			return nil, err
		}
		seg, err := s.find(ctx, p)
		j.done(p)
		if err != nil {
			return nil, err
		}
		all = append(all, seg)
	}
	return all, nil
}

// find finds a block with that content, or has one made.
func (s *splicer) find(ctx context.Context, p part) (segment, error) {
	var sum [sha256.Size]byte
	if p.hole {
		binary.LittleEndian.PutUint64(sum[:], uint64(len(p.data))) // which is no SHA-256 of anything
	} else {
		sum = sha256.Sum256(p.data)
	}
	s.mu.Lock()
	seg, isKnown := s.known[sum]
	s.mu.Unlock()
	if isKnown {
		return seg, nil
	}
	seg, err := s.compress(ctx, p.data)
	seg.sum = &sum
	return seg, err
}
