package disk

import (
	"context"
	"crypto/sha256"
	"io"
	"os"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"berries/builder/progress"
)

type digest = [sha256.Size]byte

// piece is a part of an image on its way to the two that hash it.
type piece struct {
	data   []byte
	run    int // which of the mapped runs it belongs to; -1 for none
	users  atomic.Int32
	buffer []byte // to be given back when nobody uses data any more; nil for zeros
}

// hashAll reads a file once and hashes all of it and, on another core, each of
// the runs.
func hashAll(ctx context.Context, f *os.File, size int64, data, runs []Range, task progress.Task) (whole digest, each []digest, err error) {
	const ahead = 8 // pieces in flight
	free := make(chan []byte, ahead)
	for range ahead {
		free <- make([]byte, copyChunk)
	}
	forWhole, forRuns := make(chan *piece, ahead), make(chan *piece, ahead)
	done := func(p *piece) {
		if p.users.Add(-1) == 0 && p.buffer != nil {
			free <- p.buffer
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(forWhole)
		defer close(forRuns)
		return readPieces(ctx, f, size, data, runs, free, func(p *piece) {
			p.users.Store(2)
			forWhole <- p
			forRuns <- p
		})
	})
	group.Go(func() error {
		h := sha256.New()
		for p := range forWhole {
			h.Write(p.data)
			task.Add(int64(len(p.data)))
			done(p)
		}
		h.Sum(whole[:0])
		return nil
	})
	each = make([]digest, len(runs))
	group.Go(func() error {
		hashRuns(forRuns, each, done)
		return nil
	})
	return whole, each, group.Wait()
}

// hashRuns hashes the pieces that belong to runs; those of one run follow each
// other.
func hashRuns(pieces <-chan *piece, each []digest, done func(*piece)) {
	h, run := sha256.New(), -1
	finish := func() {
		if run >= 0 {
			h.Sum(each[run][:0])
			h.Reset()
		}
	}
	for p := range pieces {
		if p.run >= 0 {
			if p.run != run {
				finish()
				run = p.run
			}
			h.Write(p.data)
		}
		done(p)
	}
	finish()
}

// readPieces cuts [0, size) where data and runs begin and end, and hands out
// the pieces in order: from the file where it has data, else zeros.
func readPieces(ctx context.Context, f io.ReaderAt, size int64, data, runs []Range, free <-chan []byte, hand func(*piece)) error {
	zeros := make([]byte, copyChunk)
	run := 0
	for at := int64(0); at < size; {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		for len(data) > 0 && data[0].End <= at {
			data = data[1:]
		}
		for run < len(runs) && runs[run].End <= at {
			run++
		}
		p, end := &piece{run: -1}, min(size, at+copyChunk)
		if run < len(runs) {
			if runs[run].Start <= at {
				p.run = run
			}
			end = cut(end, at, runs[run])
		}
		hole := len(data) == 0 || data[0].Start > at
		if len(data) > 0 {
			end = cut(end, at, data[0])
		}
		if hole {
			p.data = zeros[:end-at]
		} else {
			p.buffer = <-free
			p.data = p.buffer[:end-at]
			if _, err := f.ReadAt(p.data, at); err != nil {
				return err
			}
		}
		hand(p)
		at = end
	}
	return nil
}

// cut ends a piece that begins at the given place where range r begins or ends.
func cut(end, at int64, r Range) int64 {
	if r.Start > at {
		return min(end, r.Start)
	}
	return min(end, r.End)
}
