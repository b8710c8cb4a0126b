// Package pack makes the forms an image can be handed on in, .img.xz and .img.zst,
// and unpacks them again.
//
// Data flow: a Packer takes a raw image and writes it packed: the image is cut into
// pieces, all cores pack pieces, and one writer puts them into the file in order. What
// comes out is hashed on its way. Unpack gives the raw image back as a stream, and
// Forward lets that stream be read like a file from its start to its end.
//
// Zstandard needs no more than that: each piece is a frame of its own.
//
// Xz at its usual level takes ten minutes for an image. But an image is mostly its base,
// and Raspberry Pi publishes bases as xz files of many blocks that know nothing of each
// other. So the blocks of the base's own file in which nothing was changed are copied as
// they are, and only the others are packed anew, quickly; header, index and footer are
// written for the new list of blocks (splice.go, container.go). Without such a file,
// every block is packed, at the usual level.
//
// The program xz packs the blocks: there is none in Go that does it as well. The same
// image, base and xz give the same bytes.
package pack

import (
	"fmt"
	"slices"
	"strings"
)

// Form is the form of an image file, named by how its name ends.
type Form string

// The forms that there are.
const (
	Raw  Form = "img"
	Zstd Form = "img.zst"
	XZ   Form = "img.xz"
)

// forms are all of them, the quickest to make first.
var forms = []Form{Raw, Zstd, XZ}

// ParseForms reads the names of forms, each taken once, in the order of Forms.
func ParseForms(names []string) ([]Form, error) {
	for _, n := range names {
		if !slices.Contains(forms, Form(n)) {
			return nil, fmt.Errorf("there is no form %q; the forms are %s, %s and %s", n, Raw, Zstd, XZ)
		}
	}
	var some []Form
	for _, f := range forms {
		if slices.Contains(names, string(f)) {
			some = append(some, f)
		}
	}
	return some, nil
}

// Forms are all forms, the quickest to make first.
func Forms() []Form { return slices.Clone(forms) }

// FormOf is the form of a file by its name; false when it has no name of an image.
func FormOf(path string) (Form, bool) {
	for _, f := range forms {
		if strings.HasSuffix(path, "."+string(f)) {
			return f, true
		}
	}
	return "", false
}

// RawName is the name of the raw image that a file in any form holds:
// "out/cluster01.img" of "out/cluster01.img.xz". What lies beside an image is named
// after it.
func RawName(path string) string {
	if f, ok := FormOf(path); ok {
		return strings.TrimSuffix(path, string(f)) + string(Raw)
	}
	return path
}

// Packed tells whether the form has to be unpacked before a board can boot it.
func (f Form) Packed() bool { return f != Raw }

// Of is the name of the file in form f for a raw image.
func (f Form) Of(raw string) string {
	return strings.TrimSuffix(raw, string(Raw)) + string(f)
}
