package main

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"fmt"
	"io/fs"
	"path/filepath"

	"berries/testimages/debian"
)

// recipe is this program's source: a change to it makes another image.
//
//go:embed *.go *.sh
var recipe embed.FS

// resolve asks apt which packages the image is made of, and from them and the
// recipe works out the image's name in the cache and its disk signature.
func (m *making) resolve(ctx context.Context) error {
	mirrors, err := debian.Mirrors(ctx, m.run)
	if err != nil {
		return err
	}
	m.archive = debian.Archive{
		Suite: m.suite.name, Arch: m.target.Name, Mirrors: mirrors, Run: m.run,
		Dir: filepath.Join(m.cache, "apt", m.suite.name+"-"+m.target.Name),
	}
	if err := m.archive.Open(ctx); err != nil {
		return err
	}
	if m.base, err = m.archive.Resolve(ctx, "?essential"); err != nil {
		return err
	}
	all, err := m.archive.Resolve(ctx, m.wanted()...)
	if err != nil {
		return err
	}
	m.rest = debian.Without(all, m.base)
	key, err := cacheKey(debian.Digest(all))
	if err != nil {
		return err
	}
	m.diskID = binary.LittleEndian.Uint32(key)
	m.finished = filepath.Join(m.cache, fmt.Sprintf("%s-%s-%x.img", m.suite.name, m.target.Name, key[:8]))
	return nil
}

// cacheKey is a digest of the recipe and of the packages' digest.
func cacheKey(packages string) ([]byte, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, packages)
	for _, files := range []fs.FS{recipe, debian.Recipe} {
		err := fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := fs.ReadFile(files, path)
			fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return sum.Sum(nil), nil
}
