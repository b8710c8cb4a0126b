package profiles

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// maxKeyFile is the size in bytes of the largest key or secret file.
const maxKeyFile = 64 << 10

// locate turns a path as a person writes it into one that can be opened: ~ is
// the home folder, and relative paths start at dir.
func (in *reading) locate(path, dir string) (string, problem) {
	rest, home := strings.CutPrefix(path, "~/")
	switch {
	case home && in.env.HomeDir == "":
		return "", noHome
	case home:
		return filepath.Join(in.env.HomeDir, rest), problem{}
	case strings.HasPrefix(path, "~"):
		return "", otherHome
	case filepath.IsAbs(path):
		return filepath.Clean(path), problem{}
	}
	return filepath.Join(dir, path), problem{}
}

// contents reads a small file that was located, and its mode. Devices and pipes
// are refused before they are opened: they may never end. The hint is for a file
// that does not exist, or has nothing in it.
func contents(path, hint string) (text string, mode fs.FileMode, p problem) {
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, fileProblem(path, err, hint)
	}
	if !info.Mode().IsRegular() {
		return "", 0, notAFile(path, info.Mode())
	}
	data, err := readUpTo(path, maxKeyFile+1)
	switch {
	case err != nil:
		return "", 0, fileProblem(path, err, hint)
	case len(data) > maxKeyFile:
		return "", 0, largeFile(path)
	case len(data) == 0:
		return "", 0, emptyFile(path, hint)
	}
	return string(data), info.Mode(), problem{}
}

func readUpTo(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// fileProblem says in plain words why a file could not be used.
func fileProblem(path string, err error, hint string) problem {
	var cause *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return noSuchFile(path, hint)
	case errors.As(err, &cause):
		return unreadableFile(path, cause.Err)
	}
	return unreadableFile(path, err)
}
