package disktest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// blockSize is what images are read by here, in bytes.
const blockSize = 64 << 10

// blocks gives use every block of a range of a file that holds more than zeros,
// and where in the range it lies. Holes, which are most of an image, are not read:
// a program that knows no holes takes seconds for each.
func blocks(t testing.TB, path string, start, size int64, use func(at int64, block []byte)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zeros := make([]byte, blockSize)
	for at := int64(0); at < size; at += blockSize {
		data, err := f.Seek(start+at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) || err == nil && data >= start+size {
			return // no data from here on
		}
		if err != nil {
			t.Fatal(err)
		}
		at += (data - start - at) / blockSize * blockSize
		block := make([]byte, min(blockSize, size-at))
		if _, err := f.ReadAt(block, start+at); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(block, zeros[:len(block)]) {
			use(at, block)
		}
	}
}

// Contents is a checksum of what a file holds: the same for two files whose bytes
// are the same, however they lie on the disk, and not the SHA-256 of either.
func Contents(t testing.TB, path string) [sha256.Size]byte {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	where := func(n int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(n)) }
	h.Write(where(info.Size()))
	blocks(t, path, 0, info.Size(), func(at int64, block []byte) {
		h.Write(where(at))
		h.Write(block)
	})
	return [sha256.Size]byte(h.Sum(nil))
}

// Cut copies size bytes of a file from start on into a new one, as dd would, with
// holes for zeros. Unlike Carve it has none of our own readers in it.
func Cut(t testing.TB, to, from string, start, size int64) {
	t.Helper()
	f, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	blocks(t, from, start, size, func(at int64, block []byte) {
		if _, err := f.WriteAt(block, at); err != nil {
			t.Fatal(err)
		}
	})
}
