package fetch

import (
	"context"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// hasXZ tells whether there is an xz program. From version 5.4 on it unpacks
// with all cores; an older one is still much faster than doing it in Go.
func (c *Client) hasXZ(ctx context.Context) bool {
	if c.Runner == nil {
		return false
	}
	_, err := c.Runner.Run(ctx, host.Command("xz", "--version"))
	return err == nil
}

// pipeXZ has xz unpack the stream. A Runner keeps what a command prints in
// memory, where an image would not fit, so it comes through a named pipe.
func (c *Client) pipeXZ(ctx context.Context, o *opened, packed io.Reader) error {
	dir, err := os.MkdirTemp("", "berry-xz-")
	if err != nil {
		return err
	}
	o.onClose(func() { os.RemoveAll(dir) })
	fifo := filepath.Join(dir, "image")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		return &os.PathError{Op: "mkfifo", Path: fifo, Err: err}
	}
	r, err := os.OpenFile(fifo, os.O_RDONLY|unix.O_NONBLOCK, 0) // does not wait for a writer
	if err != nil {
		return err
	}
	// While we have it open for writing too, the end is not reached.
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		r.Close()
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	x := &xzPipe{File: r, ended: make(chan struct{})}
	go func() {
		defer close(x.ended)
		defer w.Close()
		cmd := host.Command("sh", "-c", `exec xz --decompress --stdout --threads=0 >"$0"`, fifo)
		cmd.Stdin = packed
		_, x.err = c.Runner.Run(ctx, cmd)
	}()
	o.onClose(func() {
		cancel()
		r.Close()
		<-x.ended
	})
	o.Reader = x
	return nil
}

// xzPipe is what xz writes, ending with how it ended.
type xzPipe struct {
	*os.File
	ended chan struct{}
	err   error // of the command; read after ended
}

func (x *xzPipe) Read(b []byte) (int, error) {
	n, err := x.File.Read(b)
	if err != io.EOF {
		return n, err
	}
	<-x.ended
	if x.err != nil {
		return n, x.err
	}
	return n, io.EOF
}
