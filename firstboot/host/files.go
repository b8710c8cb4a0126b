package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
)

// Files is a node's file tree: "/" on a real node, any directory in a test.
// Every name is absolute and lies below that directory; no name and no symbolic
// link leads out of it.
type Files struct {
	root *os.Root
	// changing is held while a file is replaced: the peer service and a step may both
	// want to change /etc/hosts.
	changing sync.Mutex
}

// OpenFiles returns the file tree whose root is the directory dir.
func OpenFiles(dir string) (*Files, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Files{root: root}, nil
}

// Close gives the root directory back.
func (f *Files) Close() error { return f.root.Close() }

// Open opens a file for reading.
func (f *Files) Open(name string) (*os.File, error) {
	return f.openFile(name, os.O_RDONLY, 0)
}

func (f *Files) openFile(name string, flag int, mode fs.FileMode) (*os.File, error) {
	real, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	file, err := f.root.OpenFile(real, flag, mode)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", name, cause(err))
	}
	return file, nil
}

// Read returns the content of a file. Where there is none, the error is
// fs.ErrNotExist.
func (f *Files) Read(name string) ([]byte, error) {
	real, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	data, err := f.root.ReadFile(real)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, cause(err))
	}
	return data, nil
}

// Stat describes what a name leads to.
func (f *Files) Stat(name string) (fs.FileInfo, error) {
	real, err := f.resolve(name, true)
	if err != nil {
		return nil, err
	}
	info, err := f.root.Stat(real)
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", name, cause(err))
	}
	return info, nil
}

// Exists tells whether a name leads to anything. What cannot be looked at does
// not exist for us.
func (f *Files) Exists(name string) bool {
	_, err := f.Stat(name)
	return err == nil
}

// List returns the names in a directory, sorted.
func (f *Files) List(name string) ([]string, error) {
	dir, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", name, cause(err))
	}
	slices.Sort(names)
	return names, nil
}

// Target returns what a symbolic link says. Where there is no link, target is
// "" without an error.
func (f *Files) Target(name string) (target string, err error) {
	real, err := f.resolve(name, false)
	if err != nil {
		return "", err
	}
	info, err := f.root.Lstat(real)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err == nil && info.Mode().Type() != fs.ModeSymlink:
		return "", nil
	case err == nil:
		target, err = f.root.Readlink(real)
	}
	if err != nil {
		return "", fmt.Errorf("cannot read the link %s: %w", name, cause(err))
	}
	return target, nil
}

// Mkdir makes a directory with exactly that mode, and with 0755 those above it
// that are missing. One that exists stays as it is.
func (f *Files) Mkdir(name string, mode fs.FileMode) error {
	real, err := f.resolve(name, true)
	if err != nil {
		return err
	}
	if err := f.mkdir(real, mode); err != nil {
		return fmt.Errorf("cannot make directory %s: %w", name, cause(err))
	}
	return nil
}

func (f *Files) mkdir(real string, mode fs.FileMode) error {
	if info, err := f.root.Stat(real); err == nil && info.IsDir() {
		return nil
	}
	parent := path.Dir(real)
	if err := f.mkdir(parent, 0o755); err != nil {
		return err
	}
	if err := f.root.Mkdir(real, mode); err != nil {
		return err
	}
	if err := f.root.Chmod(real, mode); err != nil { // whatever the umask took
		return err
	}
	return f.sync(parent)
}

// Set gives a file of the kernel's, as there are in sysfs, a value.
func (f *Files) Set(name, value string) error {
	file, err := f.openFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = file.WriteString(value)
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("cannot set %s to %s: %w", name, value, cause(err))
	}
	return nil
}
