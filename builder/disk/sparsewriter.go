package disk

import (
	"bytes"
	"os"
)

// SparseWriter writes a file from start to end and leaves holes where whole
// blocks of zeros would lie. Decompressed images go through it.
type SparseWriter struct {
	file *os.File
	at   int64  // where in the file buffer goes
	buf  []byte // not written yet; always begins at a multiple of holeUnit
}

// holeUnit is the smallest hole: the block size of the usual filesystems.
const holeUnit = 4096

var zeroUnit [holeUnit]byte

// NewSparseWriter writes into file, which must be empty. Call Finish at the end.
func NewSparseWriter(file *os.File) *SparseWriter {
	return &SparseWriter{file: file, buf: make([]byte, 0, copyChunk)}
}

// Write implements io.Writer.
func (w *SparseWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := copy(w.buf[len(w.buf):cap(w.buf)], p[done:])
		w.buf, done = w.buf[:len(w.buf)+n], done+n
		if len(w.buf) == cap(w.buf) {
			if err := w.flush(); err != nil {
				return done, err
			}
		}
	}
	return done, nil
}

// flush writes the runs of the buffer that are not zero.
func (w *SparseWriter) flush() error {
	for from := 0; from < len(w.buf); {
		to, zero := from, isZero(w.buf[from:min(from+holeUnit, len(w.buf))])
		for to < len(w.buf) && isZero(w.buf[to:min(to+holeUnit, len(w.buf))]) == zero {
			to = min(to+holeUnit, len(w.buf))
		}
		if !zero {
			if _, err := w.file.WriteAt(w.buf[from:to], w.at+int64(from)); err != nil {
				return err
			}
		}
		from = to
	}
	w.at += int64(len(w.buf))
	w.buf = w.buf[:0]
	return nil
}

// isZero says whether at most holeUnit bytes are all zero.
func isZero(p []byte) bool { return bytes.Equal(p, zeroUnit[:len(p)]) }

// Finish writes what is left and gives the file its size, which a hole at the
// end would not. It does not close the file.
func (w *SparseWriter) Finish() error {
	if err := w.flush(); err != nil {
		return err
	}
	return w.file.Truncate(w.at)
}
