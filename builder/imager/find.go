package imager

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berries/builder/pack"
	"berries/builder/stages"
)

// Image is an image that was built, in one of its forms.
type Image struct {
	Dir      string
	File     pack.File
	Manifest *stages.Manifest
}

// Path is where it lies.
func (i Image) Path() string { return filepath.Join(i.Dir, i.File.File) }

// noManifest is what becomes of an image that nothing is known of.
func noManifest(path string) error {
	return fmt.Errorf("beside %s there is no manifest, which berry build leaves there", path)
}

// Find finds images: all of a folder, each in the form that suits Imager best, or the one
// that was named.
func Find(paths ...string) ([]Image, error) {
	var all []Image
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		found := []string{path}
		if info.IsDir() {
			if found, err = manifests(path); err != nil {
				return nil, err
			}
		}
		for _, p := range found {
			image, err := read(p, info.IsDir())
			if err != nil {
				return nil, err
			}
			all = append(all, image)
		}
	}
	return all, nil
}

// manifests are the raw images of a folder that have a manifest, whatever is there of
// them.
func manifests(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range entries {
		if raw, ok := strings.CutSuffix(e.Name(), stages.ManifestSuffix); ok && pack.RawName(raw) == raw && e.Type().IsRegular() {
			found = append(found, filepath.Join(dir, raw))
		}
	}
	if len(found) == 0 {
		return nil, noManifest(filepath.Join(dir, "*.img"))
	}
	return found, nil
}

// best is the order in which forms suit Imager: every version knows xz, and a small file
// is there sooner.
var best = []pack.Form{pack.XZ, pack.Zstd, pack.Raw}

// read reads what is known of an image; anyForm allows another form of it.
func read(path string, anyForm bool) (Image, error) {
	m, err := stages.ReadManifest(pack.RawName(path))
	if errors.Is(err, fs.ErrNotExist) {
		return Image{}, noManifest(path)
	}
	if err != nil {
		return Image{}, err
	}
	for _, form := range best {
		for _, f := range files(m) {
			if f.Form == form && (anyForm || f.File == filepath.Base(path)) {
				image := Image{Dir: filepath.Dir(path), File: f, Manifest: m}
				return image, image.check()
			}
		}
	}
	return Image{}, fmt.Errorf("the manifest beside %s does not know that file", path)
}

// files are the files of an image; a manifest of before there were forms is of the raw one.
func files(m *stages.Manifest) []pack.File {
	if len(m.Image.Files) > 0 {
		return m.Image.Files
	}
	return []pack.File{{Form: pack.Raw, File: m.Image.File, Size: m.Image.Size, SHA256: m.Image.SHA256}}
}

// check refuses an image that Imager could not write, or that is not the one that the
// manifest is of.
func (i Image) check() error {
	info, err := os.Stat(i.Path())
	switch {
	case err != nil:
		return err
	case info.Size() != i.File.Size:
		return fmt.Errorf("%s has %d bytes, and its manifest says %d", i.Path(), info.Size(), i.File.Size)
	case len(boards[i.Manifest.Base.Architecture].tags) == 0:
		return fmt.Errorf("%s is for %s, and no Raspberry Pi boots that", i.Path(), i.Manifest.Base.Architecture)
	}
	return nil
}
