package pack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"berries/builder/progress"
	"berries/firstboot/host"
)

// pieceSize is how much of an image is packed at once, and the size of the blocks that xz
// itself makes at its usual level: large enough to pack well.
const pieceSize = 24 << 20

// Packer packs the images of one build. Its fields are set before the first call; its
// methods may be called from many goroutines. Close it at the end.
type Packer struct {
	Runner   host.Runner
	Base     Base
	Progress progress.Sink
	// Log gets one line where an image takes longer than it might. May be nil.
	Log func(line string)

	mu    sync.Mutex // all cores work on one image
	xz    *splicer   // made for the first image
	files []*os.File // to be closed at the end
}

// Base is the image that all others were made from.
type Base struct {
	Raw    string // path of the raw image, as it was unpacked
	Packed string // path of what it was unpacked from; "" when there is no such file
	SHA256 string // of the file at Packed
}

// File is a file that was written.
type File struct {
	Form   Form   `json:"form"`
	File   string `json:"file"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Ready makes sure that the forms can be made on this machine.
func (p *Packer) Ready(ctx context.Context, some []Form) error {
	for _, f := range some {
		if f == XZ && !hasXZ(ctx, p.Runner) {
			return fmt.Errorf("cannot pack images as .%s without the program xz; install it (Debian and Ubuntu: apt install xz-utils; macOS: brew install xz)", XZ)
		}
	}
	return nil
}

// Write packs the raw image into a new file at dst, which only its owner can read, as
// the image, since it holds secrets. After an error there is no file. The name is what
// progress calls it.
func (p *Packer) Write(ctx context.Context, image, dst string, form Form, name string) (File, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := p.write(ctx, image, dst, form, name)
	if err != nil {
		return File{}, fmt.Errorf("cannot pack %s: %w", name, err)
	}
	return f, nil
}

func (p *Packer) write(ctx context.Context, image, dst string, form Form, name string) (_ File, err error) {
	from, err := os.Open(image)
	if err != nil {
		return File{}, err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return File{}, err
	}
	to, err := os.OpenFile(dst, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return File{}, err
	}
	p.files = append(p.files, to) // what a later image has, too, is copied from here
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(dst))
		}
	}()
	job := &job{from: from, size: info.Size(), to: to, sum: sha256.New(),
		zeros: make([]byte, pieceSize), free: make(chan []byte, cores())}
	switch form {
	case Zstd:
		job.task = p.Progress.Start("pack "+name, info.Size())
		defer job.task.Done()
		err = job.zstd(ctx)
	case XZ:
		err = p.writeXZ(ctx, job, name)
	default:
		err = fmt.Errorf("nothing here packs .%s", form)
	}
	if err == nil {
		err = context.Cause(ctx) // however far it had come
	}
	if err != nil {
		return File{}, err
	}
	if err := to.Sync(); err != nil {
		return File{}, err
	}
	return File{Form: form, File: filepath.Base(name), Size: job.written, SHA256: hex.EncodeToString(job.sum.Sum(nil))}, nil
}

// writeXZ splices.
func (p *Packer) writeXZ(ctx context.Context, j *job, name string) (err error) {
	if p.xz == nil {
		if p.xz, err = p.newSplicer(ctx); err != nil {
			return err
		}
	}
	j.task = p.Progress.Start("pack "+name, j.size)
	defer j.task.Done()
	return p.xz.write(ctx, j)
}

// Close gives back what Write has kept open.
func (p *Packer) Close() error {
	var err error
	for _, f := range p.files {
		err = errors.Join(err, f.Close())
	}
	p.files = nil
	return err
}
