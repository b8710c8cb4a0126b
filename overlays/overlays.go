// Package overlays holds what lands on a card byte for byte: one file tree per
// role (and one for all), templates for files that differ from node to node, and
// the berry-firstboot binaries.
//
// Embedding keeps neither modes nor symbolic links, so each tree has a manifest
// that names them; a test holds the trees and their manifests together. Nothing
// here knows what a cluster is: callers pass what a template asks for.
package overlays

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"text/template"
)

//go:embed common templates bin
var trees embed.FS

// File is one file or symbolic link as it lands on the card. Owner and group
// are root.
type File struct {
	Path string
	Mode fs.FileMode // permission bits; 0 for a link
	Data []byte
	Link string // target, when it is a symbolic link
	// If limits the file to bases that have this path; "" means every base.
	If string
}

// Common returns the files that land on every node, in the manifest's order.
func Common() ([]File, error) { return tree("common") }

// tree reads one tree by its manifest.
func tree(name string) ([]File, error) {
	manifest, err := trees.ReadFile(name + "/manifest")
	if err != nil {
		return nil, err
	}
	var files []File
	for lines := bufio.NewScanner(bytes.NewReader(manifest)); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		f, err := entry(name, words)
		if err != nil {
			return nil, fmt.Errorf("overlay %s: %q: %w", name, lines.Text(), err)
		}
		files = append(files, f)
	}
	return files, nil
}

// entry makes the File of one manifest line.
func entry(tree string, words []string) (File, error) {
	var f File
	if last := len(words) - 1; strings.HasPrefix(words[last], "if=") {
		f.If, words = strings.TrimPrefix(words[last], "if="), words[:last]
	}
	switch {
	case len(words) == 3 && words[0] == "link":
		f.Path, f.Link = words[1], words[2]
		return f, nil
	case len(words) != 2:
		return f, errors.New("want MODE PATH or link PATH TARGET")
	}
	mode, err := strconv.ParseUint(words[0], 8, 12)
	if err != nil {
		return f, err
	}
	f.Path, f.Mode = words[1], fs.FileMode(mode)
	f.Data, err = trees.ReadFile(tree + f.Path)
	return f, err
}

// Render fills in the template of that name, such as "wifi.nmconnection".
func Render(name string, data any) ([]byte, error) {
	t, err := template.New(name).Option("missingkey=error").ParseFS(trees, "templates/"+name)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, data); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// Firstboot returns the berry-firstboot binary for a Debian architecture:
// arm64, armhf (one ARMv6 binary serves v6 and v7 boards) or amd64.
func Firstboot(arch string) ([]byte, error) {
	zipped, err := trees.Open("bin/berry-firstboot-" + arch + ".gz")
	if err != nil {
		return nil, fmt.Errorf("this berry carries no berry-firstboot for %s", arch)
	}
	defer zipped.Close()
	r, err := gzip.NewReader(zipped)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}
