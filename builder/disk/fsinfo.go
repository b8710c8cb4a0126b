package disk

import (
	"encoding/binary"
	"io"
)

// The FSInfo sector holds two hints: how many clusters are free and where to
// look for the next one. Its copy lies beside the backup boot sector. Offsets
// are those of Microsoft's FAT specification.
const (
	infoFreeAt    = 488
	infoLeadSign  = 0x41615252 // at 0
	infoStrucSign = 0x61417272 // at 484
	infoUnknown   = 0xffffffff
)

// freeCount reads the FSInfo sector at offset (from the start of the
// filesystem); ok is false when there is none.
func (v *volume) freeCount(offset int64) (free uint32, ok bool, err error) {
	b := make([]byte, sector)
	if _, err := v.file.ReadAt(b, v.start+offset); err != nil {
		return 0, false, err
	}
	le := binary.LittleEndian
	ok = offset != 0 && le.Uint32(b) == infoLeadSign && le.Uint32(b[484:]) == infoStrucSign
	return le.Uint32(b[infoFreeAt:]), ok, nil
}

// writeFreeCount writes the number of free clusters into the FSInfo sector and
// its copy. go-diskfs writes back the number that it found, so that fsck.vfat
// would complain.
func (v *volume) writeFreeCount(w io.WriterAt) error {
	var count [4]byte
	binary.LittleEndian.PutUint32(count[:], v.free())
	for _, at := range []int64{v.fsInfo, v.infoCopy} {
		_, ok, err := v.freeCount(at)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if _, err := w.WriteAt(count[:], v.start+at+infoFreeAt); err != nil {
			return err
		}
	}
	return nil
}
