package pack

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
	uxz "github.com/ulikunitz/xz"
	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// Unpack gives what is packed in a stream. Its reader gives every error of the packing,
// checksums included, in place of io.EOF. Where there is a program xz it unpacks xz;
// else, and with run nil, that is done in Go, which takes two to five times as long.
func Unpack(ctx context.Context, run host.Runner, form Form, packed io.Reader) (io.ReadCloser, error) {
	switch {
	case form == XZ && run != nil && hasXZ(ctx, run):
		return pipeXZ(ctx, run, packed)
	case form == XZ:
		r, err := uxz.NewReader(bufio.NewReaderSize(packed, 1<<20))
		return io.NopCloser(r), err
	case form == Zstd:
		r, err := zstd.NewReader(bufio.NewReaderSize(packed, 1<<20))
		if err != nil {
			return nil, err
		}
		return r.IOReadCloser(), nil
	}
	return io.NopCloser(packed), nil
}

// hasXZ tells whether there is an xz program. From version 5.4 on it unpacks with all
// cores; an older one is still much faster than doing it in Go.
func hasXZ(ctx context.Context, run host.Runner) bool {
	_, err := run.Run(ctx, host.Command("xz", "--version"))
	return err == nil
}

// pipeXZ has xz unpack the stream. A Runner keeps what a command prints in memory, where
// an image would not fit, so it comes through a named pipe.
func pipeXZ(ctx context.Context, run host.Runner, packed io.Reader) (io.ReadCloser, error) {
	dir, err := os.MkdirTemp("", "berry-xz-")
	if err != nil {
		return nil, err
	}
	fifo := filepath.Join(dir, "image")
	r, w, err := openPipe(fifo)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithCancel(ctx)
	x := &xzPipe{pipe: r, ended: make(chan struct{}), cancel: cancel, dir: dir}
	go func() {
		defer close(x.ended)
		defer w.Close()
		cmd := host.Command("sh", "-c", `exec xz --decompress --stdout --threads=0 >"$0"`, fifo)
		cmd.Stdin = packed
		_, x.err = run.Run(ctx, cmd)
	}()
	return x, nil
}

// openPipe makes a named pipe and opens both its ends.
func openPipe(fifo string) (r, w *os.File, err error) {
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		return nil, nil, &os.PathError{Op: "mkfifo", Path: fifo, Err: err}
	}
	if r, err = os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil { // does not wait for a writer
		return nil, nil, err
	}
	// While we have it open for writing too, the end is not reached.
	if w, err = os.OpenFile(fifo, os.O_WRONLY, 0); err != nil {
		return nil, nil, errors.Join(err, r.Close())
	}
	return r, w, nil
}

// xzPipe is what xz writes, ending with how it ended.
type xzPipe struct {
	pipe   *os.File // not embedded: it has a WriteTo, which would pass by Read
	ended  chan struct{}
	err    error // of the command; read after ended
	cancel context.CancelFunc
	dir    string
}

func (x *xzPipe) Read(b []byte) (int, error) {
	n, err := x.pipe.Read(b)
	if err != io.EOF {
		return n, err
	}
	<-x.ended
	if x.err != nil {
		return n, x.err
	}
	return n, io.EOF
}

// Close ends xz.
func (x *xzPipe) Close() error {
	x.cancel()
	err := x.pipe.Close()
	<-x.ended
	return errors.Join(err, os.RemoveAll(x.dir))
}

// Forward reads a stream like a file, as long as what is read lies behind what was read.
type Forward struct {
	From io.Reader
	at   int64
}

// ReadAt implements io.ReaderAt for reads that go forward. It must not be called by two
// at the same time.
func (f *Forward) ReadAt(p []byte, off int64) (int, error) {
	if off < f.at {
		return 0, fmt.Errorf("byte %d of a stream is past", off)
	}
	skipped, err := io.CopyN(io.Discard, f.From, off-f.at)
	f.at += skipped
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(f.From, p)
	f.at += int64(n)
	return n, err
}
