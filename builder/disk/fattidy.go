package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
)

// maxFATFile is the largest file that a FAT can hold.
const maxFATFile = 1<<32 - 1

// checkFATName refuses names that go-diskfs would write wrongly or that FAT
// cannot hold.
func checkFATName(name string) error {
	for _, c := range name {
		if c <= ' ' || c > '~' || strings.ContainsRune(`"*/:<>?\|`, c) {
			return fmt.Errorf("the character %q cannot be in its name", c)
		}
	}
	if name == "" || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || len(name) > 255 {
		return errors.New("the name is empty, too long, or begins or ends with a dot")
	}
	return nil
}

// prepare makes the filesystem fit for go-diskfs to write size bytes to a file
// named name in folder dir, or says why it cannot be done.
func (f *FAT) prepare(dir, name string, size int64) error {
	folder, err := f.volume.find(strings.TrimPrefix(dir, "."))
	if err != nil {
		return err
	}
	if !folder.isDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	if strings.EqualFold(name, f.Label()) {
		return errors.New("that is the name of the filesystem, and go-diskfs cannot tell them apart")
	}
	old, err := f.volume.child(folder, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = dirEntry{}
	case err != nil:
		return err
	case old.isDir():
		return errors.New("there is a folder of that name")
	}
	if err := f.tidy(folder, old); err != nil {
		return fmt.Errorf("cannot tidy the folder: %w", err)
	}
	// One cluster more than the data: the folder may have to grow.
	need := (size+f.volume.cluster-1)/f.volume.cluster + 1 - int64(old.size)/f.volume.cluster
	if have := int64(f.volume.free()); need > have || size > maxFATFile {
		return fmt.Errorf("it is %d bytes and only %d are free there", size, have*f.volume.cluster)
	}
	return nil
}

// tidy packs the folder's live entries to its front and gives back the clusters
// that are not needed then, and drops the entry old when it is an empty file.
// Without the first go-diskfs panics on a folder that many files were deleted
// from, as rsync and sed -i leave it; without the second it loses the data.
func (f *FAT) tidy(folder, old dirEntry) error {
	chain, err := f.volume.chain(folder.cluster)
	if err != nil {
		return err
	}
	packed, err := f.volume.packDir(folder.cluster, old)
	if err != nil {
		return err
	}
	need := max(1, (int64(len(packed))+f.volume.cluster-1)/f.volume.cluster)
	dropped := old.short != "" && old.cluster == 0
	if need == int64(len(chain)) && !dropped {
		return nil
	}
	padded := make([]byte, need*f.volume.cluster)
	copy(padded, packed)
	for i, c := range chain[:need] {
		if _, err := f.image.WriteAt(padded[int64(i)*f.volume.cluster:int64(i+1)*f.volume.cluster], f.volume.offset(c)); err != nil {
			return err
		}
	}
	if err := f.volume.setFAT(f.image, chain[need-1], fatEnd|fatMask); err != nil {
		return err
	}
	for _, c := range chain[need:] {
		if err := f.volume.setFAT(f.image, c, 0); err != nil {
			return err
		}
	}
	return nil
}

// packDir returns the slots of a folder that are in use, without the entry old
// when that is an empty file.
func (v *volume) packDir(cluster uint32, old dirEntry) ([]byte, error) {
	data, err := v.read(cluster, -1)
	if err != nil {
		return nil, err
	}
	entries, err := v.readDir(cluster)
	if err != nil {
		return nil, err
	}
	var packed []byte
	for _, e := range entries {
		if e.short == old.short && e.attr&attrLabel == 0 && old.cluster == 0 {
			continue
		}
		for _, slot := range e.slots {
			packed = append(packed, data[slot*slotSize:(slot+1)*slotSize]...)
		}
	}
	return packed, nil
}

// setFAT writes one entry into both FATs and remembers it.
func (v *volume) setFAT(w io.WriterAt, cluster, value uint32) error {
	at := int64(cluster) * 4
	v.fat[cluster] = value & fatMask
	for i, fat := range [][]byte{v.firstFAT, v.secondFAT} {
		upper := binary.LittleEndian.Uint32(fat[at:]) &^ fatMask
		binary.LittleEndian.PutUint32(fat[at:], upper|value&fatMask)
		if _, err := w.WriteAt(fat[at:at+4], v.start+v.fatStart+int64(i)*v.fatSize+at); err != nil {
			return err
		}
	}
	return nil
}
