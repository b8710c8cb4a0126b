package host

import (
	"errors"
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
	f.changing.Lock()
	defer f.changing.Unlock()
	return f.replace(name, data, mode)
}

func (f *Files) replace(name string, data []byte, mode fs.FileMode) error {
	real, err := f.resolve(name, true)
	if err != nil {
		return err
	}
	if err := f.swap(real, func(fresh string) error { return f.write(fresh, data, mode) }); err != nil {
		return fmt.Errorf("cannot replace %s: %w", name, cause(err))
	}
	return nil
}

// Edit replaces a file with what edit makes of its text, if that is another. A
// missing file is an empty one. Nothing else changes a file of this tree meanwhile,
// so edit must not.
func (f *Files) Edit(name string, mode fs.FileMode, edit func(text string) string) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	data, err := f.Read(name)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return err
	}
	text := edit(string(data))
	if !missing && text == string(data) {
		return nil
	}
	return f.replace(name, []byte(text), mode)
}

// Link makes name a symbolic link to target, in one step, whatever file or link
// it was before. The directory must exist.
func (f *Files) Link(name, target string) error {
	f.changing.Lock()
	defer f.changing.Unlock()
	real, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	if err := f.swap(real, func(fresh string) error { return f.root.Symlink(target, fresh) }); err != nil {
		return fmt.Errorf("cannot link %s to %s: %w", name, target, cause(err))
	}
	return nil
}

// Rename gives a file or directory another name on the same filesystem, in one
// step. A file that has that name already is replaced.
func (f *Files) Rename(from, to string) error {
	realFrom, err := f.resolve(from, false)
	if err != nil {
		return err
	}
	realTo, err := f.resolve(to, false)
	if err != nil {
		return err
	}
	if err = f.root.Rename(realFrom, realTo); err == nil {
		err = f.sync(path.Dir(realTo))
	}
	if err == nil && path.Dir(realFrom) != path.Dir(realTo) {
		err = f.sync(path.Dir(realFrom))
	}
	if err != nil {
		return fmt.Errorf("cannot rename %s to %s: %w", from, to, cause(err))
	}
	return nil
}

// Remove takes away a file or link, or a directory with all that is in it. A name
// that leads to nothing is no error.
func (f *Files) Remove(name string) error {
	real, err := f.resolve(name, false)
	if err != nil {
		return err
	}
	if _, err := f.root.Lstat(real); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err = f.root.RemoveAll(real); err == nil {
		err = f.sync(path.Dir(real))
	}
	if err != nil {
		return fmt.Errorf("cannot remove %s: %w", name, cause(err))
	}
	return nil
}

// swap has a fresh file made beside the real one and renames it over that. The
// fresh name is always the same, so that one left by a power cut is cleared away
// by the next try; the caller holds f.changing, so that nobody else uses it.
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

// Overwrite gives a file new content in its own place, and brings it to the disk. It is
// for FAT, which has no journal and no way to replace a file in one step. Where the file
// has that size already, only its own blocks are written: a power cut may leave part of
// the old content in it, but does nothing to the filesystem that the board boots from.
func (f *Files) Overwrite(name string, data []byte) error {
	file, err := f.openFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err == nil && info.Size() != int64(len(data)) {
		err = file.Truncate(int64(len(data)))
	}
	if err == nil {
		_, err = file.WriteAt(data, 0)
	}
	if err == nil {
		err = file.Sync()
	}
	if closing := file.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("cannot overwrite %s: %w", name, cause(err))
	}
	return nil
}
