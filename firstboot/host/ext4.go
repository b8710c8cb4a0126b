package host

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Ext4 is what the superblock of an ext2, ext3 or ext4 filesystem says.
type Ext4 struct {
	Label string
	Size  int64 // bytes of the device that the filesystem takes up
}

// ErrNotExt4 is the error for a device that holds no such filesystem.
var ErrNotExt4 = errors.New("there is no ext4 filesystem")

// Ext4 reads the superblock on a device. While the filesystem is mounted it is
// the one in use: both go through the kernel's cache of the device.
func (h *Host) Ext4(device string) (Ext4, error) {
	f, err := h.Files.Open(device)
	if err != nil {
		return Ext4{}, err
	}
	defer f.Close()
	e, err := readExt4(f)
	if err != nil {
		return Ext4{}, fmt.Errorf("%s: %w", device, err)
	}
	return e, nil
}

// The superblock's place and the fields of it that we read, by their offsets
// (struct ext4_super_block in the kernel's fs/ext4/ext4.h). The upper half of the
// block count is left out: a partition in an MBR ends before 2^32 sectors.
const (
	superblock     = 1024
	superblockSize = 1024
	blockCount     = 0x04
	logBlockSize   = 0x18 // block size is 1024 << this
	magic          = 0x38
	volumeName     = 0x78 // 16 bytes, filled up with zeros

	magicValue = 0xEF53
)

func readExt4(r io.ReaderAt) (Ext4, error) {
	var sb [superblockSize]byte
	if _, err := r.ReadAt(sb[:], superblock); err == io.EOF {
		return Ext4{}, ErrNotExt4 // too small to hold one, such as an extended partition
	} else if err != nil {
		return Ext4{}, err
	}
	le := binary.LittleEndian
	shift := le.Uint32(sb[logBlockSize:])
	if le.Uint16(sb[magic:]) != magicValue || shift > 6 {
		return Ext4{}, ErrNotExt4
	}
	blocks := int64(le.Uint32(sb[blockCount:]))
	label, _, _ := bytes.Cut(sb[volumeName:volumeName+16], []byte{0})
	return Ext4{Label: string(label), Size: blocks * 1024 << shift}, nil
}
