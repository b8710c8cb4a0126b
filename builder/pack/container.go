package pack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// The parts of an xz file of one stream, after "The .xz File Format" 1.2.1: a header,
// blocks, an index that says how long each block is, and a footer that says how long the
// index is. All numbers are little-endian; everything is padded to four bytes.
const (
	headerSize = 12
	footerSize = 12
	xzMagic    = "\xfd7zXZ\x00"
	endMagic   = "YZ"
	maxIndex   = 64 << 20 // bytes; that of a real image has a few hundred
)

// check is the kind of checksum that every block of a stream ends with.
type check byte

// checks are the names that xz has for those that it can make.
var checks = map[check]string{0x00: "none", 0x01: "crc32", 0x04: "crc64", 0x0a: "sha256"}

// block is one block of a stream.
type block struct {
	at       int64 // in the file
	unpadded int64 // bytes in the file, without what it is padded with
	start    int64 // in what is packed
	size     int64 // bytes of what is packed
}

// padded is how many bytes it takes in the file.
func (b block) padded() int64 { return (b.unpadded + 3) &^ 3 }

// end is where in what is packed it ends.
func (b block) end() int64 { return b.start + b.size }

// container is what an xz file tells of its blocks.
type container struct {
	check  check
	blocks []block
}

// readContainer reads where the blocks of an xz file are. Files of more than one stream,
// and such as have padding behind them, are refused.
func readContainer(r io.ReaderAt, size int64) (*container, error) {
	if size < headerSize+footerSize || size%4 != 0 {
		return nil, errors.New("it is no xz file")
	}
	header, footer := make([]byte, headerSize), make([]byte, footerSize)
	if _, err := r.ReadAt(header, 0); err != nil {
		return nil, err
	}
	if _, err := r.ReadAt(footer, size-footerSize); err != nil {
		return nil, err
	}
	indexSize := 4 * (int64(binary.LittleEndian.Uint32(footer[4:])) + 1)
	switch {
	case string(header[:6]) != xzMagic || string(footer[10:]) != endMagic:
		return nil, errors.New("it is no xz file")
	case !sumFits(header[6:8], header[8:]) || !sumFits(footer[4:10], footer) || !bytes.Equal(header[6:8], footer[8:10]):
		return nil, errors.New("its header or its footer is damaged")
	case header[6] != 0 || checks[check(header[7])] == "":
		return nil, fmt.Errorf("it has checks of a kind (%#x) that xz does not make", header[7])
	case indexSize > min(maxIndex, size-headerSize-footerSize):
		return nil, errors.New("its index is too long")
	}
	index := make([]byte, indexSize)
	if _, err := r.ReadAt(index, size-footerSize-indexSize); err != nil {
		return nil, err
	}
	c := &container{check: check(header[7])}
	if err := c.readIndex(index); err != nil {
		return nil, err
	}
	if end := c.end(); end != size-footerSize-indexSize {
		return nil, errors.New("it has more than one stream, or its index is wrong")
	}
	return c, nil
}

// sumFits compares a CRC32 with what it is of.
func sumFits(data, sum []byte) bool {
	return crc32.ChecksumIEEE(data) == binary.LittleEndian.Uint32(sum)
}

// readIndex reads the list of the blocks.
func (c *container) readIndex(index []byte) error {
	sum := len(index) - 4
	if index[0] != 0 || !sumFits(index[:sum], index[sum:]) {
		return errors.New("its index is damaged")
	}
	rest := index[1:sum]
	number := func() int64 {
		n, length := binary.Uvarint(rest)
		if length <= 0 || n > 1<<62 {
			rest = nil
			return -1
		}
		rest = rest[length:]
		return int64(n)
	}
	at, start := int64(headerSize), int64(0)
	for left := number(); left != 0; left-- {
		b := block{at: at, unpadded: number(), start: start, size: number()}
		if left < 0 || b.unpadded <= 0 || b.size < 0 {
			return errors.New("its index is damaged")
		}
		c.blocks = append(c.blocks, b)
		at, start = at+b.padded(), b.end()
	}
	if len(bytes.TrimLeft(rest, "\x00")) > 0 || len(rest) > 3 {
		return errors.New("its index is damaged")
	}
	return nil
}

// end is where in the file the last block ends.
func (c *container) end() int64 {
	if len(c.blocks) == 0 {
		return headerSize
	}
	last := c.blocks[len(c.blocks)-1]
	return last.at + last.padded()
}

// size is how many bytes are packed.
func (c *container) size() int64 {
	if len(c.blocks) == 0 {
		return 0
	}
	return c.blocks[len(c.blocks)-1].end()
}

// add notes a block that was written behind the others.
func (c *container) add(unpadded, size int64) block {
	b := block{at: c.end(), unpadded: unpadded, start: c.size(), size: size}
	c.blocks = append(c.blocks, b)
	return b
}

// header is how the file begins.
func (c *container) header() []byte {
	h := append([]byte(xzMagic), 0, byte(c.check))
	return binary.LittleEndian.AppendUint32(h, crc32.ChecksumIEEE(h[6:8]))
}

// trailer is the index and the footer, with which the file ends.
func (c *container) trailer() []byte {
	index := binary.AppendUvarint([]byte{0}, uint64(len(c.blocks)))
	for _, b := range c.blocks {
		index = binary.AppendUvarint(index, uint64(b.unpadded))
		index = binary.AppendUvarint(index, uint64(b.size))
	}
	for len(index)%4 != 0 {
		index = append(index, 0)
	}
	index = binary.LittleEndian.AppendUint32(index, crc32.ChecksumIEEE(index))
	fields := binary.LittleEndian.AppendUint32(nil, uint32(len(index)/4-1))
	fields = append(fields, 0, byte(c.check))
	footer := binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(fields))
	return append(append(append(index, footer...), fields...), endMagic...)
}
