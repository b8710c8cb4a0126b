package stages

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"berries/builder/apt"
	"berries/builder/disk"
	"berries/builder/pack"
)

// seal gives the image its name, and puts checksums, block map, bill of materials
// and manifest beside it. The manifest comes last: an image with a manifest is whole, and one
// without was interrupted here and is built again. What is about the raw image is named
// after that in every form.
func seal(ctx context.Context, img *image) error {
	bmap, err := img.measure(ctx)
	if err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(img.manifest, "", "  ")
	if err != nil {
		return err
	}
	bill, err := apt.SBOM(img.pins.base, img.pins.packages[img.Role], apt.Document{
		Image: img.File, SHA256: img.manifest.Image.SHA256, Tool: "berry-" + img.Version, Created: img.Epoch})
	if err != nil {
		return err
	}
	final := filepath.Join(img.Out, img.File)
	if err := remove(final + ManifestSuffix); err != nil {
		return err
	}
	if err := img.rename(final); err != nil {
		return err
	}
	if err := bmap.WriteFile(final + bmapSuffix); err != nil {
		return err
	}
	for _, f := range img.manifest.Image.Files {
		path := filepath.Join(img.Out, f.File) + sumSuffix
		if err := renameio.WriteFile(path, []byte(f.SHA256+"  "+f.File+"\n"), 0o644); err != nil {
			return err
		}
	}
	if err := renameio.WriteFile(final+sbomSuffix, bill, 0o644); err != nil {
		return err
	}
	return renameio.WriteFile(final+ManifestSuffix, append(manifest, '\n'), 0o644)
}

// measure makes the block map and notes in the manifest what is known with it.
func (img *image) measure(ctx context.Context) (*disk.Bmap, error) {
	mapped, err := disk.Mapped(img.path)
	if err != nil {
		return nil, err
	}
	bmap, err := disk.MakeBmap(ctx, img.path, mapped, img.task)
	if err != nil {
		return nil, err
	}
	m := &img.manifest.Image
	m.Size, m.Mapped, m.SHA256 = bmap.ImageSize, bmap.MappedBytes(), hex.EncodeToString(bmap.ImageSHA256[:])
	if slices.Contains(img.forms(), pack.Raw) {
		m.Files = slices.Insert(m.Files, 0, pack.File{Form: pack.Raw, File: m.File, Size: m.Size, SHA256: m.SHA256})
	}
	return bmap, nil
}

// replace syncs an image and gives it its final name.
func replace(partial, final string) error {
	f, err := os.Open(partial)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return err
	}
	return os.Rename(partial, final)
}

// sidecars are the questions that only a finished image with its files beside it
// can be asked.
func (j *judge) sidecars() []check {
	var list []check
	if _, err := os.Stat(j.named + bmapSuffix); err == nil {
		list = append(list, check{"block map and checksum", j.checkSums})
	}
	return list
}

// checkSums reads the image against its block map, and the whole of it against
// the checksum in the manifest and, where it was not packed, in the file for sha256sum.
func (j *judge) checkSums(ctx context.Context) error {
	bmap, err := disk.ReadBmap(j.named + bmapSuffix)
	if err != nil {
		return err
	}
	mapped, err := disk.Mapped(j.path)
	if err != nil {
		return err
	}
	have, err := disk.MakeBmap(ctx, j.path, mapped, j.task)
	if err != nil {
		return err
	}
	sum := hex.EncodeToString(have.ImageSHA256[:])
	switch {
	case !slices.Equal(bmap.Ranges, have.Ranges):
		return errors.New("the block map is not that of the image")
	case j.manifest != nil && j.manifest.Image.SHA256 != sum:
		return fmt.Errorf("the image's SHA-256 is %s, and the manifest says %s", sum, j.manifest.Image.SHA256)
	case j.path != j.named:
		return nil
	}
	line, err := os.ReadFile(j.named + sumSuffix)
	if err == nil && !strings.HasPrefix(string(line), sum+" ") {
		err = fmt.Errorf("the image's SHA-256 is %s, and %s says %s", sum, filepath.Base(j.named+sumSuffix), strings.TrimSpace(string(line)))
	}
	return err
}
