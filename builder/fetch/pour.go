package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"

	"berries/builder/progress"
)

// Chunks go from the one who reads to the one who writes: few, so that they
// take little memory, but some, so that neither waits for the other's hiccups.
const (
	chunkSize = 1 << 20
	chunks    = 8
)

// counted tells task of every byte that is read.
type counted struct {
	io.Reader
	task progress.Task
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.task.Add(int64(n))
	return n, err
}

// pour copies src to dst and returns the SHA-256 and the number of the bytes.
// Reading, hashing and writing go on at the same time. More than limit bytes
// are an error. Nobody reads from src any more when pour has returned.
func pour(ctx context.Context, dst io.Writer, src io.Reader, limit int64) (string, int64, error) {
	ctx, cancel := context.WithCancel(ctx)
	full, free := make(chan []byte, chunks), make(chan []byte, chunks)
	for range chunks {
		free <- make([]byte, chunkSize)
	}
	var readErr error // written before full is closed, read after
	go func() {
		defer close(full)
		readErr = fill(ctx, src, free, full)
	}()
	sum := sha256.New()
	size, err := drain(dst, sum, full, free, limit)
	cancel()
	for range full { // until fill has ended
	}
	if err == nil {
		err = readErr
	}
	return hex.EncodeToString(sum.Sum(nil)), size, err
}

// fill reads src to its end, in chunks.
func fill(ctx context.Context, src io.Reader, free <-chan []byte, full chan<- []byte) error {
	for {
		var b []byte
		select {
		case <-ctx.Done():
		case b = <-free:
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
		// Not io.ReadFull, which gives the same error for the end of src as for
		// a src that says itself that it was cut off.
		n, err := 0, error(nil)
		for n < len(b) && err == nil {
			var more int
			more, err = src.Read(b[n:])
			n += more
		}
		full <- b[:n]
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return corrupt{err}
		}
	}
}

// corrupt marks an error of what is read, not of where it is written.
type corrupt struct{ error }

func (e corrupt) Unwrap() error { return e.error }

// drain writes and hashes chunks until there are no more.
func drain(dst io.Writer, sum hash.Hash, full <-chan []byte, free chan<- []byte, limit int64) (int64, error) {
	var size int64
	for b := range full {
		if size += int64(len(b)); size > limit {
			return size, fmt.Errorf("it is longer than the %d bytes expected", limit)
		}
		hashed := make(chan struct{})
		go func() {
			sum.Write(b)
			close(hashed)
		}()
		_, err := dst.Write(b)
		<-hashed
		if err != nil {
			return size, err
		}
		free <- b[:chunkSize]
	}
	return size, nil
}
