// Package brick tells whether two bricks hold the same files.
//
// In goes the directory of this node's brick, and the list that another node makes of
// its own (Handler, served by the peer service). Out come the paths that differ. It
// is how a brick that was rebuilt from the others is judged before its node serves
// files again: GlusterFS's own "nothing to heal" is also what it says of an empty
// brick that it has not begun with.
//
// What is compared is what a web server would show: names, kinds, contents, targets of
// links. Owners, modes and extended attributes are left to GlusterFS.
package brick

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// own begins the names of GlusterFS's own directories at the root of a brick, whose
// content differs from brick to brick.
const own = "/.glusterfs"

// File is one file, directory or symbolic link of a brick.
type File struct {
	Path string `json:"path"` // from the brick's root, such as /a/b
	Kind string `json:"kind"` // file, dir, link or other
	// Sum is the SHA-256 of a file's content or of a link's target, in hex.
	Sum string `json:"sum,omitempty"`
}

// The kinds of File.
const (
	kindFile  = "file"
	kindDir   = "dir"
	kindLink  = "link"
	kindOther = "other"
)

// Walk tells of everything below the directory dir, in the order of names. What
// vanishes meanwhile is left out.
func Walk(files *host.Files, dir string, tell func(File) error) error {
	return walk(files, dir, "/", tell)
}

func walk(files *host.Files, dir, below string, tell func(File) error) error {
	names, err := files.List(path.Join(dir, below))
	if errors.Is(err, fs.ErrNotExist) && below != "/" {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		at := path.Join(below, name)
		if strings.HasPrefix(at, own) {
			continue
		}
		f, err := describe(files, dir, at)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := tell(f); err != nil {
			return err
		}
		if f.Kind == kindDir {
			if err := walk(files, dir, at, tell); err != nil {
				return err
			}
		}
	}
	return nil
}

func describe(files *host.Files, dir, at string) (File, error) {
	full := path.Join(dir, at)
	target, err := files.Target(full)
	if err != nil {
		return File{}, err
	}
	if target != "" {
		sum := sha256.Sum256([]byte(target))
		return File{at, kindLink, hex.EncodeToString(sum[:])}, nil
	}
	info, err := files.Stat(full)
	switch {
	case err != nil:
		return File{}, err
	case info.IsDir():
		return File{Path: at, Kind: kindDir}, nil
	case !info.Mode().IsRegular():
		return File{Path: at, Kind: kindOther}, nil
	}
	r, err := files.Open(full)
	if err != nil {
		return File{}, err
	}
	defer r.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return File{}, err
	}
	return File{at, kindFile, hex.EncodeToString(sum.Sum(nil))}, nil
}

// Differences are the paths that two lists do not say the same of, sorted.
func Differences(one, other []File) []string {
	is := map[string]File{}
	for _, f := range one {
		is[f.Path] = f
	}
	differ := map[string]bool{}
	for _, f := range other {
		if is[f.Path] != f {
			differ[f.Path] = true
		}
		delete(is, f.Path)
	}
	for p := range is {
		differ[p] = true
	}
	return slices.Sorted(maps.Keys(differ))
}
