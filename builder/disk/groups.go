package disk

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// groupLayout is how an ext4 filesystem is cut into block groups.
type groupLayout struct {
	firstBlock     int64 // 1 with 1 KiB blocks, else 0
	blocksPerGroup int64
	inodesPerGroup int64
	descSize       int64 // bytes of a group descriptor: 32 or, with 64bit, more
	reservedGDT    int64 // blocks after the descriptors, kept for growing
	sparseSuper    bool
}

func readLayout(b []byte, s Superblock) groupLayout {
	le := binary.LittleEndian
	l := groupLayout{
		firstBlock:     int64(le.Uint32(b[20:])),
		blocksPerGroup: int64(le.Uint32(b[32:])),
		inodesPerGroup: int64(le.Uint32(b[40:])),
		descSize:       32,
		reservedGDT:    int64(le.Uint16(b[206:])),
		sparseSuper:    s.Has("sparse_super"),
	}
	if size := int64(le.Uint16(b[254:])); s.Has("64bit") && size > l.descSize {
		l.descSize = size
	}
	return l
}

const blockUninit = 2 // flag of a group whose block bitmap was never written

// group is one block group.
type group struct {
	number      int64
	first, last int64 // its blocks, inclusive
	blockBitmap int64 // the block where each of these lies, in any group
	inodeBitmap int64
	inodeTable  int64
	uninit      bool
}

// groups reads the group descriptors of the filesystem at start.
func (s Superblock) groups(f io.ReaderAt, start int64) ([]group, error) {
	l := s.layout
	if l.blocksPerGroup <= 0 || l.blocksPerGroup > 8*s.BlockSize || l.descSize > s.BlockSize || s.Blocks <= l.firstBlock {
		return nil, fmt.Errorf("the superblock does not describe block groups")
	}
	count := (s.Blocks - l.firstBlock + l.blocksPerGroup - 1) / l.blocksPerGroup
	table := make([]byte, count*l.descSize)
	if _, err := f.ReadAt(table, start+(l.firstBlock+1)*s.BlockSize); err != nil {
		return nil, fmt.Errorf("cannot read the group descriptors: %w", err)
	}
	out := make([]group, count)
	for i := range out {
		n := int64(i)
		first := l.firstBlock + n*l.blocksPerGroup
		out[i] = newGroup(table[n*l.descSize : (n+1)*l.descSize])
		out[i].number, out[i].first, out[i].last = n, first, min(first+l.blocksPerGroup, s.Blocks)-1
	}
	return out, nil
}

// newGroup reads one descriptor.
func newGroup(d []byte) group {
	le := binary.LittleEndian
	g := group{
		blockBitmap: int64(le.Uint32(d)),
		inodeBitmap: int64(le.Uint32(d[4:])),
		inodeTable:  int64(le.Uint32(d[8:])),
		uninit:      le.Uint16(d[18:])&blockUninit != 0,
	}
	if len(d) >= 64 {
		g.blockBitmap |= int64(le.Uint32(d[32:])) << 32
		g.inodeBitmap |= int64(le.Uint32(d[36:])) << 32
		g.inodeTable |= int64(le.Uint32(d[40:])) << 32
	}
	return g
}

// hasBackup says whether a group begins with a copy of the superblock and the
// group descriptors: with sparse_super groups 0, 1 and the powers of 3, 5, 7.
func (l groupLayout) hasBackup(n int64) bool {
	if !l.sparseSuper || n <= 1 {
		return true
	}
	for _, base := range []int64{3, 5, 7} {
		power := base
		for power < n {
			power *= base
		}
		if power == n {
			return true
		}
	}
	return false
}

// used returns the bytes of the image that the filesystem at start has in use,
// its own metadata included. Blocks that are free are left out whatever they
// hold.
func (s Superblock) used(f io.ReaderAt, start int64) ([]Range, error) {
	groups, err := s.groups(f, start)
	if err != nil {
		return nil, err
	}
	blocks := []Range{{0, s.layout.firstBlock}} // in blocks, until the end
	for _, g := range groups {
		blocks = append(blocks, s.metadata(g, int64(len(groups)))...)
		if g.uninit {
			continue
		}
		bitmap := make([]byte, (g.last-g.first)/8+1)
		if _, err := f.ReadAt(bitmap, start+g.blockBitmap*s.BlockSize); err != nil {
			return nil, fmt.Errorf("cannot read the block bitmap of group %d: %w", g.number, err)
		}
		blocks = append(blocks, setBits(bitmap, g.first, g.last)...)
	}
	out := merge(blocks)
	for i, r := range out {
		out[i] = Range{start + r.Start*s.BlockSize, start + min(r.End, s.Blocks)*s.BlockSize}
	}
	return out, nil
}

// metadata is the blocks that group g's own bookkeeping takes. A group whose
// bitmap is not initialised has nothing else; in the others the bitmaps repeat
// it.
func (s Superblock) metadata(g group, count int64) []Range {
	tableBlocks := (s.layout.inodesPerGroup*s.InodeSize + s.BlockSize - 1) / s.BlockSize
	out := []Range{
		{g.blockBitmap, g.blockBitmap + 1},
		{g.inodeBitmap, g.inodeBitmap + 1},
		{g.inodeTable, g.inodeTable + tableBlocks},
	}
	if s.layout.hasBackup(g.number) {
		descriptors := (count*s.layout.descSize + s.BlockSize - 1) / s.BlockSize
		out = append(out, Range{g.first, g.first + 1 + descriptors + s.layout.reservedGDT})
	}
	return out
}

// setBits turns the bits of a bitmap into runs of blocks; bit 0 is block first.
func setBits(bitmap []byte, first, last int64) []Range {
	var out []Range
	for at := first; at <= last; {
		b := bitmap[(at-first)/8] >> ((at - first) % 8)
		if b == 0 {
			at += 8 - (at-first)%8
			continue
		}
		at += int64(bits.TrailingZeros8(b))
		begin := at
		for at <= last && bitmap[(at-first)/8]>>((at-first)%8)&1 != 0 {
			at++
		}
		if begin <= last {
			out = append(out, Range{begin, at})
		}
	}
	return out
}
