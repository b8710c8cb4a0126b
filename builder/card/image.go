package card

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berries/builder/disk"
	"berries/builder/pack"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// Image is an image file, packed or not, and what a card must hold of it.
type Image struct {
	Path string
	Name string // the node's, from the name of the file
	Size int64  // unpacked
	run  host.Runner
	form pack.Form
	bmap *disk.Bmap
	held *os.File // nil unless Hold was called
}

// Hold keeps a raw image open, so that it can be written when its name is gone. Close it
// at the end.
func (i *Image) Hold() (err error) {
	i.held, err = os.Open(i.Path)
	return err
}

// Close gives back what Hold took.
func (i *Image) Close() error {
	if i.held == nil {
		return nil
	}
	return i.held.Close()
}

// BadImage is an image that must not get onto a card.
type BadImage struct{ error }

func (b BadImage) Unwrap() error { return b.error }

func bad(format string, args ...any) error { return BadImage{fmt.Errorf(format, args...)} }

// unpackers are the endings of packed images, and what unpacks them.
var unpackers = map[string]string{".xz": "xz -dk ", ".zst": "zstd -d ", ".gz": "gunzip -k ", ".zip": "unzip "}

// OpenImage gets an image ready to be written. The block map beside it says what a
// card must hold, and Card.Write checks the image against it. A raw image without one
// is read here to make it: a hole in the file may be a block of zeros that somebody
// needs, so holes say nothing, and the filesystems are asked.
func OpenImage(ctx context.Context, run host.Runner, path string, show progress.Sink) (*Image, error) {
	form, ok := pack.FormOf(path)
	unpack, isPacked := unpackers[filepath.Ext(path)]
	if isPacked && !ok {
		return nil, &Refusal{path + " is packed, and only .img, .img.xz and .img.zst can be written", unpack + path}
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &Refusal{path + " is not a file", "give an image first, then the card: berry flash IMAGE DEVICE"}
	}
	raw := pack.RawName(path)
	img := &Image{Path: path, Name: strings.TrimSuffix(filepath.Base(raw), ".img"), Size: info.Size(), run: run, form: form}
	switch img.bmap, err = disk.ReadBmap(raw + ".bmap"); {
	case err == nil && isPacked:
		img.Size = img.bmap.ImageSize
	case errors.Is(err, fs.ErrNotExist) && isPacked:
		return nil, &Refusal{path + " is packed, and its block map " + raw + ".bmap, which says what a card must hold, is not there", unpack + path}
	case errors.Is(err, fs.ErrNotExist):
		if img.bmap, err = makeMap(ctx, path, show); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, BadImage{err}
	}
	return img, img.checkSize()
}

// checkSize holds the size of the image against its block map.
func (i *Image) checkSize() error {
	switch {
	case i.bmap.ImageSize != i.Size:
		return bad("%s has %d bytes, and its block map is for %d", i.Path, i.Size, i.bmap.ImageSize)
	case i.Size%sector != 0 || i.Size < sector:
		return bad("%s has %d bytes, which are no whole sectors", i.Path, i.Size)
	}
	return nil
}

// content opens the image to be read once, from its start to its end.
func (i *Image) content(ctx context.Context) (io.ReaderAt, func(), error) {
	if i.held != nil {
		return i.held, func() {}, nil
	}
	file, err := os.Open(i.Path)
	if err != nil || i.form != pack.XZ && i.form != pack.Zstd {
		return file, func() { file.Close() }, err
	}
	r, err := pack.Unpack(ctx, i.run, i.form, file)
	if err != nil {
		file.Close()
		return nil, nil, bad("cannot unpack %s: %w", i.Path, err)
	}
	return unpacked{&pack.Forward{From: r}, i.Path}, func() {
		r.Close()
		file.Close()
	}, nil
}

// unpacked is the content of a packed image. One that cannot be unpacked is a bad one.
type unpacked struct {
	*pack.Forward
	path string
}

func (u unpacked) ReadAt(p []byte, off int64) (int, error) {
	n, err := u.Forward.ReadAt(p, off)
	if err != nil {
		err = bad("cannot unpack %s: %w", u.path, err)
	}
	return n, err
}

// makeMap makes the block map of an image that came without one, and holds the image
// against its checksum where that lies beside it.
func makeMap(ctx context.Context, path string, show progress.Sink) (*disk.Bmap, error) {
	mapped, err := disk.Mapped(path)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	task := show.Start("read "+filepath.Base(path), info.Size())
	defer task.Done()
	b, err := disk.MakeBmap(ctx, path, mapped, task)
	if err != nil {
		return nil, err
	}
	line, err := os.ReadFile(path + ".sha256")
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	if have := hex.EncodeToString(b.ImageSHA256[:]); !strings.HasPrefix(string(line), have+" ") {
		return nil, bad("the SHA-256 of %s is %s, and %s.sha256 says %s", path, have, path, strings.TrimSpace(string(line)))
	}
	return b, nil
}

// Mapped is how much of the image is written.
func (i *Image) Mapped() int64 { return i.bmap.MappedBytes() }
