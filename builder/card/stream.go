package card

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sync/errgroup"

	"berries/builder/disk"
	"berries/builder/progress"
)

const (
	// chunk is how much is written at once, beginning at a multiple of it: as much as
	// the blocks that a card erases, so that none is erased twice.
	chunk = 4 << 20
	ahead = 6 // chunks in memory at once
	// page is what memory for direct input and output must be aligned to.
	page = 4096
)

// stream reads what a block map names, in order, and hashes it while it is written.
type stream struct {
	from io.ReaderAt
	head []byte // the start of the image, which is hashed from here, and not written
	bmap *disk.Bmap
	// write writes a piece; nil when it is only to be hashed.
	write io.WriterAt
	// differs makes the error for a range whose checksum is wrong.
	differs func(r disk.BmapRange) error
	task    progress.Task
}

// piece is a part of a range on its way.
type piece struct {
	data    []byte
	at      int64
	inRange int
	end     bool         // the range ends here
	users   atomic.Int32 // who has not done with it yet
	buffer  []byte       // to be given back; nil for a piece of the head
}

// run goes through all of the map.
func (s stream) run(ctx context.Context) error {
	free := make(chan []byte, ahead)
	for range ahead {
		free <- aligned(chunk)
	}
	toHash, toWrite := make(chan *piece, ahead), make(chan *piece, ahead)
	done := func(p *piece) {
		if p.users.Add(-1) > 0 {
			return
		}
		s.task.Add(int64(len(p.data)))
		if p.buffer != nil {
			free <- p.buffer
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(toHash)
		defer close(toWrite)
		return s.read(ctx, free, toHash, toWrite)
	})
	group.Go(func() error { return s.hash(toHash, done) })
	group.Go(func() error { return s.writePieces(ctx, toWrite, done) })
	return group.Wait()
}

// read cuts the ranges into pieces and hands them out, each to the hash and, unless
// it is of the head, to the writer.
func (s stream) read(ctx context.Context, free <-chan []byte, toHash, toWrite chan<- *piece) error {
	for i, r := range s.bmap.Ranges {
		whole := s.bmap.Bytes(r)
		for at := whole.Start; at < whole.End; {
			p := &piece{at: at, inRange: i}
			to := []chan<- *piece{toHash}
			if head := int64(len(s.head)); at < head {
				p.data = s.head[at:min(head, whole.End)]
			} else {
				if err := s.fill(ctx, p, free, min(whole.End, (at/chunk+1)*chunk)); err != nil {
					return err
				}
				if s.write != nil {
					to = append(to, toWrite)
				}
			}
			at += int64(len(p.data))
			p.end = at == whole.End
			p.users.Store(int32(len(to)))
			for _, c := range to {
				select {
				case c <- p:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
		}
	}
	return nil
}

// fill reads a piece that ends at the given place.
func (s stream) fill(ctx context.Context, p *piece, free <-chan []byte, end int64) error {
	select {
	case p.buffer = <-free:
	case <-ctx.Done():
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	p.data = p.buffer[:end-p.at]
	if n, err := s.from.ReadAt(p.data, p.at); n < len(p.data) {
		return fmt.Errorf("cannot read %d bytes from byte %d on: %w", len(p.data), p.at, err)
	}
	return nil
}

// hash compares each range with its checksum.
func (s stream) hash(pieces <-chan *piece, done func(*piece)) error {
	h := sha256.New()
	for p := range pieces {
		h.Write(p.data)
		done(p)
		if !p.end {
			continue
		}
		if r := s.bmap.Ranges[p.inRange]; [sha256.Size]byte(h.Sum(nil)) != r.SHA256 {
			return s.differs(r)
		}
		h.Reset()
	}
	return nil
}

func (s stream) writePieces(ctx context.Context, pieces <-chan *piece, done func(*piece)) error {
	for p := range pieces {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if _, err := s.write.WriteAt(p.data, p.at); err != nil {
			return fmt.Errorf("cannot write %d bytes from byte %d on: %w", len(p.data), p.at, err)
		}
		done(p)
	}
	return nil
}

// aligned is memory that begins at a page, as direct input and output want it.
func aligned(size int) []byte {
	b := make([]byte, size+page)
	skip := int(-uintptr(unsafe.Pointer(&b[0])) % page)
	return b[skip : skip+size : skip+size]
}
