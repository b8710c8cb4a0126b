package disk

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// Superblock is what an ext4 filesystem says about itself.
type Superblock struct {
	Label      string
	UUID       string
	BlockSize  int64 // bytes
	Blocks     int64
	FreeBlocks int64
	InodeSize  int64     // bytes
	Features   []string  // by the names that dumpe2fs prints
	Written    time.Time // of the last change

	dirty       string // why it is not clean; "" when it is
	unsupported []string
	layout      groupLayout
}

// Size is the size of the filesystem in bytes.
func (s Superblock) Size() int64 { return s.Blocks * s.BlockSize }

const (
	superblockAt   = 1024 // bytes from the start of the filesystem
	superblockSize = 1024
	ext4Magic      = 0xef53
	stateClean     = 1
	stateErrors    = 2
)

// feature is one bit of the three feature words.
type feature struct {
	name      string
	bit       uint32
	supported bool // this package and its tests know how to edit with it
}

// The features that a filesystem may have, after e2fsprogs 1.47's ext2_fs.h.
// Those of the first kind are harmless to who does not know them, those of the
// second must be known for any use, and those of the third for writing.
var (
	compatFeatures = []feature{
		{"dir_prealloc", 0x1, false}, {"imagic_inodes", 0x2, false}, {"has_journal", 0x4, true},
		{"ext_attr", 0x8, true}, {"resize_inode", 0x10, true}, {"dir_index", 0x20, true},
		{"lazy_bg", 0x40, false}, {"snapshot_bitmap", 0x100, false}, {"sparse_super2", 0x200, false},
		{"fast_commit", 0x400, false}, {"stable_inodes", 0x800, false}, {"orphan_file", 0x1000, true},
	}
	incompatFeatures = []feature{
		{"compression", 0x1, false}, {"filetype", 0x2, true}, {"needs_recovery", 0x4, true},
		{"journal_dev", 0x8, false}, {"meta_bg", 0x10, false}, {"extent", 0x40, true},
		{"64bit", 0x80, true}, {"mmp", 0x100, false}, {"flex_bg", 0x200, true},
		{"ea_inode", 0x400, false}, {"dirdata", 0x1000, false}, {"metadata_csum_seed", 0x2000, true},
		{"large_dir", 0x4000, false}, {"inline_data", 0x8000, false}, {"encrypt", 0x10000, false},
		{"casefold", 0x20000, false},
	}
	roCompatFeatures = []feature{
		{"sparse_super", 0x1, true}, {"large_file", 0x2, true}, {"huge_file", 0x8, true},
		{"uninit_bg", 0x10, true}, {"dir_nlink", 0x20, true}, {"extra_isize", 0x40, true},
		{"snapshot", 0x80, false}, {"quota", 0x100, false}, {"bigalloc", 0x200, false},
		{"metadata_csum", 0x400, true}, {"replica", 0x800, false}, {"read-only", 0x1000, false},
		{"project", 0x2000, false}, {"shared_blocks", 0x4000, false}, {"verity", 0x8000, false},
		{"orphan_present", 0x10000, true},
	}
)

// readSuperblock reads the primary superblock of the filesystem at start.
func readSuperblock(f io.ReaderAt, start int64) (Superblock, error) {
	b := make([]byte, superblockSize)
	if _, err := f.ReadAt(b, start+superblockAt); err != nil {
		return Superblock{}, fmt.Errorf("cannot read the superblock: %w", err)
	}
	le := binary.LittleEndian
	logSize := le.Uint32(b[24:])
	if le.Uint16(b[56:]) != ext4Magic || logSize > 6 {
		return Superblock{}, errNotExt4
	}
	s := Superblock{
		Label:      text(b[120:136]),
		UUID:       uuidString(b[104:120]),
		BlockSize:  1024 << logSize,
		Blocks:     int64(le.Uint32(b[4:])),
		FreeBlocks: int64(le.Uint32(b[12:])),
		InodeSize:  int64(le.Uint16(b[88:])),
		Written:    time.Unix(int64(le.Uint32(b[48:])), 0),
	}
	s.readFeatures(le.Uint32(b[92:]), le.Uint32(b[96:]), le.Uint32(b[100:]))
	if s.Has("64bit") {
		s.Blocks |= int64(le.Uint32(b[336:])) << 32
		s.FreeBlocks |= int64(le.Uint32(b[344:])) << 32
	}
	s.layout = readLayout(b, s)
	s.dirty = dirtyReason(s, le.Uint16(b[58:]), le.Uint32(b[232:]))
	return s, nil
}

// readFeatures fills Features and unsupported.
func (s *Superblock) readFeatures(compat, incompat, roCompat uint32) {
	for i, word := range []uint32{compat, incompat, roCompat} {
		for _, f := range [][]feature{compatFeatures, incompatFeatures, roCompatFeatures}[i] {
			if word&f.bit == 0 {
				continue
			}
			word &^= f.bit
			s.Features = append(s.Features, f.name)
			if !f.supported {
				s.unsupported = append(s.unsupported, f.name)
			}
		}
		if word != 0 {
			s.unsupported = append(s.unsupported, fmt.Sprintf("FEATURE_%c%#x", "CIR"[i], word))
		}
	}
}

// Has says whether the filesystem has a feature.
func (s Superblock) Has(name string) bool {
	for _, f := range s.Features {
		if f == name {
			return true
		}
	}
	return false
}

// dirtyReason says why the filesystem must be repaired before anyone edits it.
func dirtyReason(s Superblock, state uint16, orphans uint32) string {
	switch {
	case s.Has("needs_recovery"):
		return "its journal holds changes that are not in the filesystem yet (needs_recovery)"
	case state&stateErrors != 0:
		return "the kernel has found errors in it"
	case state&stateClean == 0:
		return "it was not unmounted cleanly"
	case s.Has("orphan_present") || orphans != 0:
		return "it holds deleted files that are not cleaned up (orphans)"
	}
	return ""
}

// text is a NUL-padded string.
func text(b []byte) string { return strings.TrimRight(string(b), "\x00") }

// uuidString is a UUID as people write it.
func uuidString(b []byte) string {
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
