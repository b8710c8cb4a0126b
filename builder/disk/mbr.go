package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/diskfs/go-diskfs/backend/file"
	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Numbers of an MBR. Raspberry Pi OS aligns everything to 8 MiB since March
// 2025 (pi-gen f621f9e2); older bases start p1 at 4 MiB, which stays allowed
// for the partitions that we did not make.
const (
	sector         = 512
	maxSectors     = 1 << 32 // an entry counts sectors in 32 bits
	brickAlign     = 8 << 20
	brickNumber    = 3
	signatureAt    = 440
	typeProtective = 0xee
)

// Partition types that a Raspberry Pi card uses.
const (
	TypeFAT32 byte = 0x0c
	TypeLinux byte = 0x83
)

// Partition is one primary partition.
type Partition struct {
	Number   int // 1 to 4
	Type     byte
	Bootable bool
	Start    int64 // bytes from the start of the image
	Size     int64 // bytes
}

// End is the first byte after the partition.
func (p Partition) End() int64 { return p.Start + p.Size }

// Table is the partition table in the first sector of an image.
type Table struct {
	// Signature is the disk signature, the number that PARTUUIDs are made of.
	Signature  uint32
	Partitions []Partition // by number, unused entries left out
}

// Partition returns the partition with number n.
func (t Table) Partition(n int) (Partition, bool) {
	for _, p := range t.Partitions {
		if p.Number == n {
			return p, true
		}
	}
	return Partition{}, false
}

// PARTUUID is the name the kernel gives to partition n, such as 9730496b-02:
// the signature and the number, both in hexadecimal.
func (t Table) PARTUUID(n int) string { return fmt.Sprintf("%08x-%02x", t.Signature, n) }

// ReadTable reads the partition table of the image at path. It refuses what is
// not a plain MBR disk with partitions.
func ReadTable(path string) (Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return Table{}, err
	}
	defer f.Close()
	var signature [4]byte
	if _, err := f.ReadAt(signature[:], signatureAt); err != nil && !errors.Is(err, io.EOF) {
		return Table{}, err
	}
	disk, err := mbr.Read(file.New(f, true), sector, sector)
	if err != nil {
		return Table{}, fmt.Errorf("%s has no MBR partition table: it is not a disk image, or still compressed: %w", path, err)
	}
	t := Table{Signature: binary.LittleEndian.Uint32(signature[:])}
	for i, p := range disk.Partitions {
		if p.Type == typeProtective {
			return Table{}, fmt.Errorf("%s has a GPT partition table; give an image with an MBR, such as Raspberry Pi OS", path)
		}
		if p.Type == mbr.Empty || p.Size == 0 {
			continue
		}
		t.Partitions = append(t.Partitions, Partition{
			Number: i + 1, Type: byte(p.Type), Bootable: p.Bootable,
			Start: int64(p.Start) * sector, Size: int64(p.Size) * sector,
		})
	}
	if len(t.Partitions) == 0 {
		return Table{}, fmt.Errorf("%s has an MBR without partitions; give an image of a whole disk, not of one partition", path)
	}
	return t, nil
}

// WriteTable writes t into the image at path, which must be long enough for
// it. It touches the disk signature and the four entries only: boot code and
// everything else stay. Starts and ends in cylinders, heads and sectors are
// written as FE FF FF, which means "look at the sector numbers".
func WriteTable(path string, t Table) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if err := t.Check(info.Size()); err != nil {
		return fmt.Errorf("cannot write the partition table of %s: %w", path, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.entries().Write(f, info.Size()); err != nil {
		return fmt.Errorf("cannot write the partition table of %s: %w", path, err)
	}
	var signature [4]byte
	binary.LittleEndian.PutUint32(signature[:], t.Signature)
	if _, err := f.WriteAt(signature[:], signatureAt); err != nil {
		return err
	}
	return f.Close()
}
