package main

import (
	"fmt"
	"io"
)

// cpio writes the archive format the kernel unpacks an initramfs from ("newc").
// It knows directories and plain files, all owned by root.
type cpio struct {
	w     io.Writer
	inode int
	err   error // the first failure; later calls do nothing
}

const (
	dirMode  = 0o040755
	fileMode = 0o100755
)

// dir adds a directory. Parents must be added before what is in them.
func (c *cpio) dir(name string) { c.entry(name, dirMode, nil) }

// file adds an executable file.
func (c *cpio) file(name string, content []byte) { c.entry(name, fileMode, content) }

// close writes the end mark and gives the first failure.
func (c *cpio) close() error {
	c.entry("TRAILER!!!", 0, nil)
	return c.err
}

func (c *cpio) entry(name string, mode int, content []byte) {
	if c.err != nil {
		return
	}
	c.inode++
	// magic, inode, mode, uid, gid, links, mtime, size, device and special
	// device (major, minor), length of the name with its NUL, no checksum.
	header := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name)+1, 0)
	c.padded([]byte(header + name + "\x00"))
	c.padded(content)
}

// padded writes b and zeros up to the next multiple of four; every header and
// every content starts on one.
func (c *cpio) padded(b []byte) {
	if c.err == nil {
		_, c.err = c.w.Write(append(b[:len(b):len(b)], make([]byte, -len(b)&3)...))
	}
}
