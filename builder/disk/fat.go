package disk

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"time"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/filesystem/fat32"
)

// FAT is the FAT32 filesystem of a boot partition, open for reading and, from
// OpenFAT, for writing. go-diskfs writes, within the bounds where it is known to write well;
// this package's own reader (volume) reads everything back. Close must be
// called and its error counts: it writes what go-diskfs leaves stale.
//
// Names are those of the FAT: case does not matter, folders are separated by /.
type FAT struct {
	image  *os.File
	part   Partition
	time   time.Time
	volume *volume
	wrote  bool
}

// OpenFAT opens the FAT32 filesystem of partition p. Files written get the time
// at, to two seconds; FAT knows no time before 1980.
func OpenFAT(image string, p Partition, at time.Time) (*FAT, error) {
	return openFAT(image, os.O_RDWR, p, at)
}

// ReadFAT opens the FAT32 filesystem of partition p for reading only, as an image
// in the cache must be, which nobody may write to.
func ReadFAT(image string, p Partition) (*FAT, error) {
	return openFAT(image, os.O_RDONLY, p, time.Time{})
}

func openFAT(image string, flag int, p Partition, at time.Time) (*FAT, error) {
	f, err := os.OpenFile(image, flag, 0)
	if err != nil {
		return nil, err
	}
	v, err := readVolume(f, p)
	if err == nil && v.dirty() {
		err = errors.New("it was not unmounted cleanly; download the image again")
	}
	if err == nil && !v.fatsEqual() {
		err = errors.New("its two FATs differ; download the image again")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot use partition %d of %s as boot partition: %w", p.Number, image, err)
	}
	at = at.UTC()
	if epoch := time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC); at.Before(epoch) {
		at = epoch
	}
	return &FAT{image: f, part: p, time: at, volume: v}, nil
}

// ReadFile returns the content of a file. The error is fs.ErrNotExist when it
// is not there.
func (f *FAT) ReadFile(name string) ([]byte, error) {
	e, err := f.volume.find(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read from the boot partition: %w", err)
	}
	if e.isDir() {
		return nil, fmt.Errorf("cannot read %s from the boot partition: it is a folder", name)
	}
	data, err := f.volume.read(e.cluster, int64(e.size))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s from the boot partition: %w", name, err)
	}
	return data, nil
}

// List returns the names in a folder, "" being the root, in the order in which
// they lie there.
func (f *FAT) List(dir string) ([]string, error) {
	d, err := f.volume.find(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot list a folder of the boot partition: %w", err)
	}
	entries, err := f.volume.readDir(d.cluster)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s of the boot partition: %w", dir, err)
	}
	var names []string
	for _, e := range entries {
		if e.attr&attrLabel == 0 && e.name != "." && e.name != ".." {
			names = append(names, e.name)
		}
	}
	return names, nil
}

// Label is the name of the filesystem, such as bootfs.
func (f *FAT) Label() string { return f.volume.label() }

// WriteFile creates or replaces a file in a folder that exists. It refuses an
// empty file, which go-diskfs cannot write.
func (f *FAT) WriteFile(name string, data []byte) error {
	if err := f.write(strings.Trim(name, "/"), data); err != nil {
		return fmt.Errorf("cannot write %s to the boot partition: %w", name, err)
	}
	return nil
}

func (f *FAT) write(name string, data []byte) error {
	if err := checkFATName(path.Base(name)); err != nil {
		return err
	}
	if len(data) == 0 {
		return errors.New("it is empty; write a newline at least")
	}
	f.wrote = true
	if err := f.prepare(path.Dir(name), path.Base(name), int64(len(data))); err != nil {
		return err
	}
	if err := f.writeWithDiskfs(name, data); err != nil {
		return err
	}
	v, err := readVolume(f.image, f.part)
	if err != nil {
		return err
	}
	f.volume = v
	if got, err := f.ReadFile(name); err != nil || !bytes.Equal(got, data) {
		return errors.Join(errors.New("reading it back gives something else"), err)
	}
	return nil
}

// writeWithDiskfs is every call into go-diskfs that writes. It keeps to what
// was measured to work with v1.9.4: one write of the exact size from offset 0,
// with O_CREATE, O_RDWR and O_TRUNC; a panic becomes an error.
func (f *FAT) writeWithDiskfs(name string, data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("go-diskfs gave up: %v", p)
		}
	}()
	fat, err := fat32.Read(file.New(f.image, false), f.part.Size, f.part.Start, sector)
	if err != nil {
		return err
	}
	out, err := fat.OpenFile(name, os.O_CREATE|os.O_RDWR|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := out.Write(data); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	return fat.Chtimes(name, f.time, f.time, f.time)
}

// Close brings the free-space counts up to date, when something was written,
// and checks the whole filesystem.
func (f *FAT) Close() error {
	err := f.finish()
	if closeErr := f.image.Close(); err == nil {
		err = closeErr
	}
	return err
}

func (f *FAT) finish() error {
	if !f.wrote {
		return nil
	}
	if err := f.volume.writeFreeCount(f.image); err != nil {
		return fmt.Errorf("cannot write the free-space count of the boot partition: %w", err)
	}
	return CheckFAT(f.image.Name(), f.part)
}
