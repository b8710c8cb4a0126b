package fetch

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"github.com/klauspost/compress/flate"

	"berries/builder/pack"
)

// opened is what is packed in a file, and what to do when it has been read.
type opened struct {
	io.Reader
	closers []func()
}

func (o *opened) onClose(f func()) { o.closers = append(o.closers, f) }

// Close undoes what was opened, last things first.
func (o *opened) Close() error {
	for len(o.closers) > 0 {
		last := len(o.closers) - 1
		o.closers[last]()
		o.closers = o.closers[:last]
	}
	return nil
}

// open opens what is packed in the file at path. Its reader gives every error
// of the packing, checksums included, in place of io.EOF.
func (c *Client) open(ctx context.Context, path string, kind format, label string) (*opened, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	o := &opened{closers: []func(){func() { f.Close() }}}
	fi, err := f.Stat()
	if err == nil && kind == zipf {
		err = c.openZip(o, f, fi.Size(), label)
	} else if err == nil {
		task := c.start(label, fi.Size())
		o.onClose(task.Done)
		err = c.openStream(ctx, o, kind, counted{f, task})
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

// openStream opens what is packed in a stream, which tells progress what was
// read of it.
func (c *Client) openStream(ctx context.Context, o *opened, kind format, packed io.Reader) error {
	form := pack.Zstd
	if kind == xz {
		form = pack.XZ
	}
	r, err := pack.Unpack(ctx, c.Runner, form, packed)
	if err != nil {
		return err
	}
	o.onClose(func() { r.Close() })
	o.Reader = r
	return nil
}

// openZip opens the one image in a zip archive.
func (c *Client) openZip(o *opened, f io.ReaderAt, size int64, label string) error {
	z, err := zip.NewReader(f, size)
	if err != nil {
		return corrupt{err}
	}
	z.RegisterDecompressor(zip.Deflate, flate.NewReader) // the faster one
	image, err := onlyImage(z.File)
	if err != nil {
		return err
	}
	r, err := image.Open()
	if err != nil {
		return corrupt{err}
	}
	task := c.start(label, int64(image.UncompressedSize64))
	o.onClose(task.Done)
	o.onClose(func() { r.Close() })
	o.Reader = counted{r, task}
	return nil
}

// onlyImage finds the image in a zip archive. What macOS puts beside each file
// is not looked at.
func onlyImage(files []*zip.File) (*zip.File, error) {
	var image *zip.File
	for _, f := range files {
		name := path.Base(f.Name)
		if strings.ToLower(path.Ext(name)) != ".img" || strings.HasPrefix(name, "._") {
			continue
		}
		if image != nil {
			return nil, fmt.Errorf("there is more than one image in it (%s, %s); unpack the one you want first", image.Name, f.Name)
		}
		image = f
	}
	if image == nil {
		return nil, errors.New("there is no .img file in it; take another archive")
	}
	return image, nil
}
