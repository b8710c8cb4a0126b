package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"berries/builder/disk"
)

// maxImage is the largest image that is unpacked when its size is not known
// before: no card it would be made for is larger, and a file made to unpack to
// more has to end somewhere.
const maxImage = 128 << 30

// about is what the cache knows of an unpacked image.
type about struct {
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// image is where the raw image lies that was unpacked from the file with that
// SHA-256.
func (c *Client) image(sum string) string {
	return filepath.Join(c.Cache, "images", sum+".img")
}

// unpacked returns the raw image if the cache has it.
func (c *Client) unpacked(a asked) (Base, bool, error) {
	if a.SHA256 == "" {
		return Base{}, false, nil
	}
	path := c.image(a.SHA256)
	var known about
	readJSON(path+".json", &known)
	if !isSHA256(known.SHA256) || !holds(path, known.Size) {
		return Base{}, false, nil
	}
	base, err := a.result(path, known.SHA256)
	return base, true, err
}

// result is the Base at path, if its checksum is the right one.
func (a asked) result(path, sum string) (Base, error) {
	if a.imageSHA256 != "" && a.imageSHA256 != sum {
		return Base{}, &ChecksumError{What: "the image in " + a.base.Origin, Got: sum, Want: a.imageSHA256}
	}
	base := a.base
	base.Path, base.SHA256, base.SourceSHA256 = path, sum, a.SHA256
	return base, nil
}

// unpack makes the raw image of the file, whose SHA-256 is a's, unless it is
// one itself.
func (c *Client) unpack(ctx context.Context, file string, a asked) (Base, error) {
	kind, err := sniff(file)
	if err != nil {
		return Base{}, fmt.Errorf("cannot use %s as the base: %w", a.base.Origin, err)
	}
	a.base.Source = file
	if kind == raw {
		return a.result(file, a.SHA256)
	}
	if base, ok, err := c.unpacked(a); ok || err != nil {
		return base, err
	}
	final := c.image(a.SHA256)
	part, err := c.Lock(ctx, final+".part", a.label())
	if err != nil {
		return Base{}, err
	}
	defer part.Close()
	if base, ok, err := c.unpacked(a); ok || err != nil { // by whoever held the lock
		return base, errors.Join(err, remove(part.Name()))
	}
	got, err := c.unpackInto(ctx, part, file, kind, a)
	if err != nil {
		return Base{}, a.unpackError(errors.Join(err, remove(part.Name())))
	}
	return a.result(final, got.SHA256)
}

func (a asked) unpackError(err error) error {
	if errors.As(err, new(corrupt)) {
		return fmt.Errorf("cannot unpack %s: it is damaged, download it again: %w", a.base.Origin, err)
	}
	return fmt.Errorf("cannot unpack %s: %w", a.base.Origin, err)
}

func (a asked) label() string { return "unpack " + fileName(a.base.Origin) }

// unpackInto fills the locked part file with the image packed in file, and
// gives it its final name when it is found good.
func (c *Client) unpackInto(ctx context.Context, part *os.File, file string, kind format, a asked) (about, error) {
	if err := c.room(a.imageSize); err != nil {
		return about{}, err
	}
	if err := part.Truncate(0); err != nil { // what a killed process left
		return about{}, err
	}
	packed, err := c.open(ctx, file, kind, a.label())
	if err != nil {
		return about{}, err
	}
	defer packed.Close()
	limit := a.imageSize
	if limit == 0 {
		limit = maxImage
	}
	got, err := pourSparse(ctx, part, packed, limit)
	if err != nil {
		return about{}, c.roomError(err)
	}
	if err := a.check(part.Name(), got); err != nil {
		return about{}, err
	}
	return got, c.keep(part, c.image(a.SHA256), got)
}

// pourSparse writes src to an empty file, leaving out runs of zeros.
func pourSparse(ctx context.Context, f *os.File, src io.Reader, limit int64) (about, error) {
	w := disk.NewSparseWriter(f)
	sum, size, err := pour(ctx, w, src, limit)
	if err == nil {
		err = w.Finish()
	}
	return about{SHA256: sum, Size: size}, err
}

// check refuses an image that is not the one that was announced.
func (a asked) check(path string, got about) error {
	if a.imageSize > 0 && got.Size != a.imageSize {
		return corrupt{fmt.Errorf("the image is %d bytes long, not %d", got.Size, a.imageSize)}
	}
	if a.imageSHA256 != "" && got.SHA256 != a.imageSHA256 {
		return &ChecksumError{What: "the image in it", Got: got.SHA256, Want: a.imageSHA256}
	}
	kind, err := sniff(path)
	if err != nil {
		return fmt.Errorf("what is in it is no image: %w", err)
	}
	if kind != raw {
		return fmt.Errorf("what is in it is packed once more, in %s; unpack it once first", kind)
	}
	return nil
}

// keep gives a whole image its final name. What is known of it comes first, so
// that an image in its place is always known.
func (c *Client) keep(part *os.File, final string, got about) error {
	if err := part.Sync(); err != nil {
		return c.roomError(err)
	}
	if err := writeJSON(final+".json", got); err != nil {
		return c.roomError(err)
	}
	return seal(part, final)
}
