package host

import (
	"fmt"
	"io/fs"
	"os"
	"path"
)

// Replace gives a file new content and mode in one step: whoever reads it, and
// whatever power cut comes, there is the old file or the new one. A name that is
// a symbolic link stays one; the file it leads to is replaced. The directory
// must exist.
func (f *Files) Replace(name string, data []byte, mode fs.FileMode) error {
	real, err := f.resolve(name, true)
	if err != nil {
		return err
	}
	if err := f.swap(real, func(fresh string) error { return f.write(fresh, data, mode) }); err != nil {
		return fmt.Errorf("cannot replace %s: %w", name, cause(err))
	}
	return nil
}

// Link makes name a symbolic link to target, in one step, whatever file or link
// it was before. The directory must exist.
func (f *Files) Link(name, target string) error {
	real, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	if err := f.swap(real, func(fresh string) error { return f.root.Symlink(target, fresh) }); err != nil {
		return fmt.Errorf("cannot link %s to %s: %w", name, target, cause(err))
	}
	return nil
}

// swap has a fresh file made beside the real one and renames it over that. The
// fresh name is always the same, so that one left by a power cut is cleared away
// by the next try.
func (f *Files) swap(real string, write func(fresh string) error) error {
	dir := path.Dir(real)
	fresh := path.Join(dir, "."+path.Base(real)+".berry-new")
	if err := f.root.RemoveAll(fresh); err != nil {
		return err
	}
	err := write(fresh)
	if err == nil {
		err = f.root.Rename(fresh, real)
	}
	if err != nil {
		f.root.Remove(fresh)
		return err
	}
	return f.sync(dir)
}

// write makes a file that did not exist and brings it to the disk.
func (f *Files) write(real string, data []byte, mode fs.FileMode) error {
	// Nobody else may open it before it has its mode.
	file, err := f.root.OpenFile(real, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Chmod(mode)
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	return err
}

// sync brings a directory's names to the disk.
func (f *Files) sync(dir string) error {
	d, err := f.root.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
