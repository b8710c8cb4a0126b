package disk

import (
	"fmt"
	"os"
	"sort"

	"github.com/diskfs/go-diskfs/partition/mbr"
)

// Check says what is wrong with the table for a file of fileSize bytes: a
// partition outside it, over another one, beyond what 32-bit sector numbers
// reach, or a brick (p3) that does not start at a multiple of 8 MiB.
func (t Table) Check(fileSize int64) error {
	sorted := append([]Partition(nil), t.Partitions...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i].Start < sorted[j].Start })
	used := map[int]bool{}
	free := int64(sector) // the first byte after what is taken; the MBR itself comes first
	for _, p := range sorted {
		if err := p.check(fileSize); err != nil {
			return err
		}
		if used[p.Number] {
			return fmt.Errorf("partition %d is there twice", p.Number)
		}
		if p.Start < free {
			return fmt.Errorf("partition %d starts at byte %d, before the end of what lies there already (%d)", p.Number, p.Start, free)
		}
		used[p.Number], free = true, p.End()
	}
	return nil
}

// check judges one partition by itself.
func (p Partition) check(fileSize int64) error {
	switch {
	case p.Number < 1 || p.Number > 4:
		return fmt.Errorf("partition %d: an MBR holds partitions 1 to 4", p.Number)
	case p.Type == 0 || p.Type == typeProtective:
		return fmt.Errorf("partition %d has the type %#02x, which is not a partition on an MBR disk", p.Number, p.Type)
	case p.Start < 0 || p.Size <= 0 || p.Start%sector != 0 || p.Size%sector != 0:
		return fmt.Errorf("partition %d (%d bytes from byte %d) is not made of whole sectors", p.Number, p.Size, p.Start)
	case p.Start/sector >= maxSectors || p.Size/sector >= maxSectors || p.End()/sector > maxSectors:
		return fmt.Errorf("partition %d ends at byte %d, beyond the 2 TiB that an MBR can address", p.Number, p.End())
	case p.End() > fileSize:
		return fmt.Errorf("partition %d ends at byte %d, after the end of the image (%d)", p.Number, p.End(), fileSize)
	case p.Number == brickNumber && p.Start%brickAlign != 0:
		return fmt.Errorf("partition %d starts at byte %d, which is not a multiple of %d MiB", p.Number, p.Start, brickAlign>>20)
	}
	return nil
}

// entries is the table as go-diskfs writes it.
func (t Table) entries() *mbr.Table {
	const lba = 0xff // with head 0xfe: this entry is in sector numbers only
	parts := make([]*mbr.Partition, 4)
	for i := range parts {
		parts[i] = &mbr.Partition{}
	}
	for _, p := range t.Partitions {
		parts[p.Number-1] = &mbr.Partition{
			Type: mbr.Type(p.Type), Bootable: p.Bootable,
			Start: uint32(p.Start / sector), Size: uint32(p.Size / sector),
			StartHead: lba - 1, StartSector: lba, StartCylinder: lba,
			EndHead: lba - 1, EndSector: lba, EndCylinder: lba,
		}
	}
	return &mbr.Table{Partitions: parts}
}

// Grow makes the image at path size bytes long; the new part is a hole. It
// refuses to make it shorter.
func Grow(path string, size int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if size < info.Size() {
		return fmt.Errorf("cannot grow %s from %d to %d bytes: that is shorter", path, info.Size(), size)
	}
	return os.Truncate(path, size)
}
