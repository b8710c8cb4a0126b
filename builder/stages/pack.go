package stages

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"berries/builder/pack"
)

// packImage makes the packed forms of the image that were asked for, each under a
// temporary name beside it.
func packImage(ctx context.Context, img *image) error {
	for _, form := range img.forms() {
		if !form.Packed() {
			continue
		}
		file, err := img.packer.Write(ctx, img.path, img.partial(form), form, form.Of(img.File))
		if err != nil {
			return err
		}
		img.manifest.Image.Files = append(img.manifest.Image.Files, file)
	}
	return nil
}

// newPacker makes sure that the forms can be made, from the base as it was unpacked: it
// is not grown yet.
func newPacker(ctx context.Context, o Options, b *base) (*pack.Packer, error) {
	from := pack.Base{Raw: b.Path, SHA256: b.SourceSHA256}
	if b.Source != b.Path {
		from.Packed = b.Source
	}
	p := &pack.Packer{Runner: o.Runner, Base: from, Progress: o.Progress, Log: o.Fetch.Log}
	return p, p.Ready(ctx, o.forms())
}

// forms are those that were asked for: the raw image when none were.
func (o Options) forms() []pack.Form {
	if len(o.Forms) == 0 {
		return []pack.Form{pack.Raw}
	}
	return o.Forms
}

// partial is the name that a form of the image has until it is sealed.
func (img *image) partial(form pack.Form) string {
	return filepath.Join(img.Out, "."+form.Of(img.File)+partialSuffix)
}

// rename gives every form its final name. Those that an earlier build left, and this one
// did not make, go: what lies beside them is about the new image.
func (img *image) rename(final string) error {
	for _, form := range pack.Forms() {
		name := form.Of(final)
		if slices.Contains(img.forms(), form) {
			if err := replace(img.partial(form), name); err != nil {
				return err
			}
			continue
		}
		if err := remove(name, name+sumSuffix); err != nil {
			return err
		}
	}
	return nil
}

// remove removes files that may be missing.
func remove(paths ...string) error {
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
