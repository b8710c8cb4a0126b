package disk

import (
	"errors"
	"fmt"
	"os"
)

// Mapped returns what of an image a card must hold: all before the first
// partition, what the FAT and ext4 filesystems have in use, and data that lies
// in no partition.
//
// Holes of the file say nothing here. A block of zeros inside a file or an inode
// table is a hole in our sparse images, and a card that was used before holds
// something else there; and blocks that are free in a filesystem need no
// writing even when old data is left in them.
func Mapped(image string) ([]Range, error) {
	ranges, err := mapped(image)
	if err != nil {
		return nil, fmt.Errorf("cannot tell which blocks of %s are in use: %w", image, err)
	}
	return ranges, nil
}

func mapped(image string) ([]Range, error) {
	table, err := ReadTable(image)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(image)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := table.Check(info.Size()); err != nil {
		return nil, err
	}
	first := info.Size()
	var partitions, out []Range
	for _, p := range table.Partitions {
		partitions = append(partitions, Range{p.Start, p.End()})
		first = min(first, p.Start)
		used, err := usedOf(f, p)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", p.Number, err)
		}
		out = append(out, used...)
	}
	data, err := dataRanges(f, info.Size())
	if err != nil {
		return nil, err
	}
	out = append(out, Range{0, first})
	out = append(out, overlap(gaps(merge(partitions), info.Size()), data)...)
	return merge(out), nil
}

// usedOf is what a partition has in use: all of it when it holds something that
// this package does not know.
func usedOf(f *os.File, p Partition) ([]Range, error) {
	switch p.Type {
	case TypeFAT32:
		v, err := readVolume(f, p)
		if err != nil {
			return nil, err
		}
		return v.used(), nil
	case TypeLinux:
		s, err := readSuperblock(f, p.Start)
		if errors.Is(err, errNotExt4) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(s.unsupported) > 0 {
			break
		}
		return s.used(f, p.Start)
	}
	return []Range{{p.Start, p.End()}}, nil
}
