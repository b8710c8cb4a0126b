package node

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// maxSize bounds what Read takes in. A node file is a few kilobytes.
const maxSize = 1 << 20

// ReadFile reads the node file at path, which is Path on a node. It refuses a
// file that anybody but its owner may read, since that file holds secrets.
func ReadFile(path string) (File, error) {
	f, err := readFile(path)
	if err != nil {
		return File{}, fmt.Errorf("node file %s: %w", path, err)
	}
	return f, nil
}

func readFile(path string) (File, error) {
	r, err := os.Open(path)
	if err != nil {
		return File{}, bare(err)
	}
	defer r.Close()
	info, err := r.Stat()
	if err != nil {
		return File{}, bare(err)
	}
	if mode := info.Mode(); mode != Mode {
		return File{}, fmt.Errorf("its mode is %v, want %v; type: chmod 600 %s", mode, fs.FileMode(Mode), path)
	}
	return Read(r)
}

// bare takes the path off an error whose caller names the file already.
func bare(err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return pe.Err
	}
	return err
}

// Read reads one node file and nothing after it. Whatever it returns without
// an error is valid.
func Read(r io.Reader) (File, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return File{}, bare(err)
	}
	if len(data) > maxSize {
		return File{}, fmt.Errorf("it is longer than %d bytes", maxSize)
	}
	return Decode(data)
}

// Decode is Read for bytes at hand: the inverse of Encode.
func Decode(data []byte) (File, error) {
	fields, err := object(data)
	if err != nil {
		return File{}, err
	}
	if err := checkVersion(fields["version"]); err != nil {
		return File{}, err
	}
	var f File
	if err := fill(&f, data); err != nil {
		return File{}, err
	}
	if err := f.Validate(); err != nil {
		return File{}, err
	}
	return f, nil
}

// checkVersion comes before every other complaint: between two versions of the
// contract all the others would only follow from it.
func checkVersion(value json.RawMessage) error {
	var got int
	if value == nil {
		return errors.New(`the field "version" is missing`)
	}
	if err := json.Unmarshal(value, &got); err != nil {
		return errors.New(`the field "version" is not a whole number`)
	}
	if got != Version {
		return fmt.Errorf("its version is %d, want %d; build the image and berry-firstboot with the same berry", got, Version)
	}
	return nil
}
