package pack

import (
	"hash"
	"os"
	"runtime"

	"berries/builder/disk"
	"berries/builder/progress"
)

// job is one image on its way into a file.
type job struct {
	from    *os.File
	size    int64
	to      *os.File
	sum     hash.Hash
	written int64
	task    progress.Task
	zeros   []byte      // for all holes
	free    chan []byte // memory that was used before: fresh memory takes longer than reading into it
}

// Write appends to the file.
func (j *job) Write(p []byte) (int, error) {
	n, err := j.to.Write(p)
	j.written += int64(n)
	j.sum.Write(p[:n])
	return n, err
}

// part is a part of the image.
type part struct {
	data []byte
	hole bool // all of it is zeros, and was not read
}

// read reads a part of the image, of pieceSize bytes at most. Its memory is to be given
// back with done.
func (j *job) read(at, size int64) (part, error) {
	p := part{hole: disk.IsHole(j.from, disk.Range{Start: at, End: at + size})}
	if p.hole {
		return part{j.zeros[:size], true}, nil
	}
	select {
	case p.data = <-j.free:
	default:
		p.data = make([]byte, pieceSize)
	}
	p.data = p.data[:size]
	_, err := j.from.ReadAt(p.data, at)
	return p, err
}

// done takes the memory of a part back.
func (j *job) done(p part) {
	if p.hole {
		return
	}
	select {
	case j.free <- p.data[:cap(p.data)]:
	default:
	}
}

// cores is how many pieces are packed at once: more take memory, 50 MB each, and the
// writer would wait for them.
func cores() int { return min(runtime.GOMAXPROCS(0), 16) }
