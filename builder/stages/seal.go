package stages

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"

	"berries/builder/disk"
	"berries/builder/progress"
)

// seal gives the image its name, and puts checksum, block map and manifest
// beside it. The manifest comes last: an image with a manifest is whole, and one
// without was interrupted here and is built again.
func seal(ctx context.Context, img *image) error {
	mapped, err := disk.Mapped(img.path)
	if err != nil {
		return err
	}
	bmap, err := disk.MakeBmap(ctx, img.path, mapped, img.task)
	if err != nil {
		return err
	}
	img.manifest.Image.Size = bmap.ImageSize
	img.manifest.Image.Mapped = bmap.MappedBytes()
	img.manifest.Image.SHA256 = hex.EncodeToString(bmap.ImageSHA256[:])
	manifest, err := json.MarshalIndent(img.manifest, "", "  ")
	if err != nil {
		return err
	}
	final := filepath.Join(img.Out, img.File)
	if err := os.Remove(final + manifestSuffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := replace(img.path, final); err != nil {
		return err
	}
	if err := bmap.WriteFile(final + bmapSuffix); err != nil {
		return err
	}
	sum := img.manifest.Image.SHA256 + "  " + img.File + "\n"
	if err := renameio.WriteFile(final+sumSuffix, []byte(sum), 0o644); err != nil {
		return err
	}
	return renameio.WriteFile(final+manifestSuffix, append(manifest, '\n'), 0o644)
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
	if _, err := os.Stat(j.path + bmapSuffix); err == nil {
		list = append(list, check{"block map and checksum", j.checkSums})
	}
	return list
}

// checkSums reads the image against its block map, and the whole of it against
// the checksum in the manifest and in the file for sha256sum.
func (j *judge) checkSums(ctx context.Context) error {
	bmap, err := disk.ReadBmap(j.path + bmapSuffix)
	if err != nil {
		return err
	}
	mapped, err := disk.Mapped(j.path)
	if err != nil {
		return err
	}
	have, err := disk.MakeBmap(ctx, j.path, mapped, progress.None.Start("", 0))
	if err != nil {
		return err
	}
	sum := hex.EncodeToString(have.ImageSHA256[:])
	line, err := os.ReadFile(j.path + sumSuffix)
	switch {
	case err != nil:
		return err
	case !slices.Equal(bmap.Ranges, have.Ranges):
		return errors.New("the block map is not that of the image")
	case !strings.HasPrefix(string(line), sum+" "):
		return fmt.Errorf("the image's SHA-256 is %s, and %s says %s", sum, filepath.Base(j.path+sumSuffix), strings.TrimSpace(string(line)))
	case j.manifest != nil && j.manifest.Image.SHA256 != sum:
		return fmt.Errorf("the image's SHA-256 is %s, and the manifest says %s", sum, j.manifest.Image.SHA256)
	}
	return nil
}
