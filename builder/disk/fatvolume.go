package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// volume is a FAT32 filesystem as this package itself reads it: the judge of
// what go-diskfs writes, and the source of everything that go-diskfs cannot
// tell (free clusters, where a directory entry lies, what is lost).
type volume struct {
	file       io.ReaderAt
	start      int64 // bytes from the start of the image to the boot sector
	cluster    int64 // bytes of a cluster
	fatStart   int64 // bytes from start to the first FAT
	fatSize    int64 // bytes of one FAT; there are two
	fsInfo     int64 // bytes from start to the FSInfo sector
	infoCopy   int64 // the same for its copy; 0 when there is none
	clusters   uint32
	fat        []uint32 // by cluster number; 0 and 1 mean nothing
	secondFAT  []byte   // as on disk
	firstFAT   []byte
	bootSector []byte
}

const (
	rootCluster  = 2          // where every mkfs puts it; go-diskfs expects it there
	fatMask      = 0x0fffffff // the upper four bits of an entry mean nothing
	fatBad       = 0x0ffffff7 // a cluster that must not be used
	fatEnd       = 0x0ffffff8 // this and above: last cluster of a file
	minClusters  = 65525      // with fewer, the same bytes are a FAT16
	maxFATOffset = 1 << 40
)

// readVolume reads boot sector and FATs of the FAT32 filesystem in p.
func readVolume(file io.ReaderAt, p Partition) (*volume, error) {
	boot := make([]byte, sector)
	if _, err := file.ReadAt(boot, p.Start); err != nil {
		return nil, fmt.Errorf("cannot read the boot sector: %w", err)
	}
	le := binary.LittleEndian
	sectorsPerCluster, reserved := int64(boot[13]), int64(le.Uint16(boot[14:]))
	fatSectors, total := int64(le.Uint32(boot[36:])), int64(le.Uint32(boot[32:]))
	switch {
	case boot[510] != 0x55 || boot[511] != 0xaa || le.Uint16(boot[11:]) != sector,
		sectorsPerCluster == 0, reserved == 0, fatSectors == 0, le.Uint16(boot[17:]) != 0:
		return nil, errors.New("it is not a FAT32 filesystem with 512-byte sectors")
	case boot[16] != 2 || le.Uint16(boot[40:])&0x80 != 0 || le.Uint32(boot[44:]) != rootCluster:
		return nil, errors.New("it is a FAT32 filesystem of an unusual make (not two equal FATs, or the root directory elsewhere)")
	case total*sector > p.Size:
		return nil, fmt.Errorf("the filesystem has %d bytes and its partition only %d", total*sector, p.Size)
	}
	v := &volume{
		file: file, start: p.Start, bootSector: boot,
		cluster: sectorsPerCluster * sector, fatStart: reserved * sector, fatSize: fatSectors * sector,
		fsInfo: int64(le.Uint16(boot[48:])) * sector,
	}
	if backup := int64(le.Uint16(boot[50:])); backup != 0 && backup+1 < reserved {
		v.infoCopy = (backup + 1) * sector
	}
	data := total*sector - v.dataStart()
	if data < minClusters*v.cluster || data/v.cluster+2 > v.fatSize/4 {
		return nil, errors.New("the sizes in its boot sector do not fit together")
	}
	v.clusters = uint32(data / v.cluster)
	return v, v.readFATs()
}

// readFATs reads both FATs, of which the first one counts.
func (v *volume) readFATs() error {
	v.firstFAT, v.secondFAT = make([]byte, v.fatSize), make([]byte, v.fatSize)
	if _, err := v.file.ReadAt(v.firstFAT, v.start+v.fatStart); err != nil {
		return fmt.Errorf("cannot read the FAT: %w", err)
	}
	if _, err := v.file.ReadAt(v.secondFAT, v.start+v.fatStart+v.fatSize); err != nil {
		return fmt.Errorf("cannot read the second FAT: %w", err)
	}
	v.fat = make([]uint32, v.clusters+2)
	for i := range v.fat {
		v.fat[i] = binary.LittleEndian.Uint32(v.firstFAT[4*i:]) & fatMask
	}
	return nil
}

// dataStart is where cluster 2 begins, from the start of the filesystem.
func (v *volume) dataStart() int64 { return v.fatStart + 2*v.fatSize }

// offset is where a cluster begins in the image.
func (v *volume) offset(cluster uint32) int64 {
	return v.start + v.dataStart() + int64(cluster-2)*v.cluster
}

// chain follows the clusters of a file or directory from its first one.
func (v *volume) chain(first uint32) ([]uint32, error) {
	var out []uint32
	for at := first; at < fatEnd; at = v.fat[at] {
		if at < 2 || at >= uint32(len(v.fat)) {
			return nil, fmt.Errorf("a file's chain leads to cluster %d, which does not exist", at)
		}
		if len(out) > len(v.fat) {
			return nil, fmt.Errorf("the chain from cluster %d runs in a circle", first)
		}
		out = append(out, at)
	}
	return out, nil
}

// read returns the first size bytes of a chain, or all of it when size is -1.
func (v *volume) read(first uint32, size int64) ([]byte, error) {
	if first == 0 && size <= 0 {
		return nil, nil
	}
	chain, err := v.chain(first)
	if err != nil {
		return nil, err
	}
	whole := int64(len(chain)) * v.cluster
	if size > whole {
		return nil, fmt.Errorf("a file of %d bytes has clusters for %d only", size, whole)
	}
	data := make([]byte, whole)
	for i, c := range chain {
		if _, err := v.file.ReadAt(data[int64(i)*v.cluster:int64(i+1)*v.cluster], v.offset(c)); err != nil {
			return nil, err
		}
	}
	if size >= 0 {
		data = data[:size]
	}
	return data, nil
}

// free counts the clusters that belong to nothing.
func (v *volume) free() uint32 {
	var n uint32
	for _, value := range v.fat[2:] {
		if value == 0 {
			n++
		}
	}
	return n
}

// label is the name in the boot sector, such as bootfs.
func (v *volume) label() string { return strings.TrimRight(string(v.bootSector[71:82]), " \x00") }

// used is everything of the filesystem that a card must hold: boot sectors,
// FATs, and the clusters of files and directories.
func (v *volume) used() []Range {
	out := []Range{{v.start, v.start + v.dataStart()}}
	for c := uint32(2); c < uint32(len(v.fat)); c++ {
		if v.fat[c] == 0 || v.fat[c] == fatBad {
			continue
		}
		at := v.offset(c)
		if last := &out[len(out)-1]; last.End == at {
			last.End += v.cluster
			continue
		}
		out = append(out, Range{at, at + v.cluster})
	}
	return out
}

// dirty says whether the filesystem was left mounted: Linux keeps that in the
// boot sector, Windows in the second entry of the FAT.
func (v *volume) dirty() bool {
	const clean = 1 << 27
	return v.bootSector[65]&1 != 0 || binary.LittleEndian.Uint32(v.firstFAT[4:])&clean == 0
}

// fatsEqual says whether both FATs say the same.
func (v *volume) fatsEqual() bool { return bytes.Equal(v.firstFAT, v.secondFAT) }
