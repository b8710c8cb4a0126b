package disk

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf16"
)

// Bits and bytes of a FAT directory entry, which is 32 bytes long. A long name
// lies in entries of its own before it, last part first.
const (
	slotSize   = 32
	attrLabel  = 0x08
	attrDir    = 0x10
	attrLong   = 0x0f
	slotEnd    = 0x00 // first byte: this slot and all after it were never used
	slotFree   = 0xe5 // first byte: deleted
	longLast   = 0x40 // bit of a long name's first slot, which holds its last part
	lowerName  = 0x08 // byte 12: the short name is meant in lower case
	lowerExt   = 0x10
	caseFlagAt = 12
)

// dirEntry is one file or directory.
type dirEntry struct {
	name    string // the long name, or else the short one
	short   string // NAME.EXT
	attr    byte
	cluster uint32 // its first one; 0 for an empty file
	size    uint32
	slots   []int // its 32-byte slots in the directory, the short name's last
}

func (e dirEntry) isDir() bool { return e.attr&attrDir != 0 }

// matches compares names like FAT does: without case, either name.
func (e dirEntry) matches(name string) bool {
	return strings.EqualFold(e.name, name) || strings.EqualFold(e.short, name)
}

// readDir lists the directory that begins at cluster, the volume label, "."
// and ".." included.
func (v *volume) readDir(cluster uint32) ([]dirEntry, error) {
	data, err := v.read(cluster, -1)
	if err != nil {
		return nil, err
	}
	var out []dirEntry
	var long []uint16
	var slots []int
	for i := 0; i*slotSize < len(data) && data[i*slotSize] != slotEnd; i++ {
		slot := data[i*slotSize : (i+1)*slotSize]
		switch {
		case slot[0] == slotFree:
			long, slots = nil, nil
		case slot[11]&0x3f == attrLong:
			if slot[0]&longLast != 0 {
				long, slots = nil, nil
			}
			long, slots = append(longPart(slot), long...), append(slots, i)
		default:
			out = append(out, newDirEntry(slot, long, append(slots, i)))
			long, slots = nil, nil
		}
	}
	return out, nil
}

// longPart is the thirteen characters of a long name that one slot holds.
func longPart(slot []byte) []uint16 {
	var out []uint16
	for _, at := range []int{1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30} {
		c := binary.LittleEndian.Uint16(slot[at:])
		if c == 0 {
			break
		}
		out = append(out, c)
	}
	return out
}

// newDirEntry reads the slot of a short name; long is the name before it.
func newDirEntry(slot []byte, long []uint16, slots []int) dirEntry {
	base, ext := strings.TrimRight(string(slot[:8]), " "), strings.TrimRight(string(slot[8:11]), " ")
	if slot[caseFlagAt]&lowerName != 0 {
		base = strings.ToLower(base)
	}
	if slot[caseFlagAt]&lowerExt != 0 {
		ext = strings.ToLower(ext)
	}
	e := dirEntry{
		short: base, attr: slot[11], slots: slots,
		size:    binary.LittleEndian.Uint32(slot[28:]),
		cluster: uint32(binary.LittleEndian.Uint16(slot[20:]))<<16 | uint32(binary.LittleEndian.Uint16(slot[26:])),
	}
	if ext != "" {
		e.short += "." + ext
	}
	e.name = e.short
	if len(long) > 0 {
		e.name = string(utf16.Decode(long))
	}
	return e
}

// root is the entry that the root directory does not have.
var root = dirEntry{name: "/", attr: attrDir, cluster: rootCluster}

// find looks a file or directory up by its path from the root. The error is
// fs.ErrNotExist when it is not there.
func (v *volume) find(path string) (dirEntry, error) {
	at := root
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if name == "" {
			continue
		}
		next, err := v.child(at, name)
		if err != nil {
			return dirEntry{}, fmt.Errorf("%s: %w", path, err)
		}
		at = next
	}
	return at, nil
}

// child finds name in a directory.
func (v *volume) child(dir dirEntry, name string) (dirEntry, error) {
	if !dir.isDir() {
		return dirEntry{}, fs.ErrNotExist
	}
	entries, err := v.readDir(dir.cluster)
	if err != nil {
		return dirEntry{}, err
	}
	for _, e := range entries {
		if e.attr&attrLabel == 0 && e.matches(name) {
			return e, nil
		}
	}
	return dirEntry{}, fs.ErrNotExist
}
