package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// stamp tells whether a file is still the one that was read: whoever writes to
// it changes at least its ctime, which cannot be set back.
type stamp struct {
	Path  string        `json:"path"`
	Size  int64         `json:"size"`
	Inode uint64        `json:"inode"`
	Mtime unix.Timespec `json:"mtime"`
	Ctime unix.Timespec `json:"ctime"`
}

// summed is a file outside of the cache whose checksum is known.
type summed struct {
	stamp
	SHA256 string `json:"sha256"`
}

func stampOf(path string) (stamp, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return stamp{}, err
	}
	return stamp{Path: path, Size: st.Size, Inode: st.Ino, Mtime: st.Mtim, Ctime: st.Ctim}, nil
}

// sumOf returns the SHA-256 of the file at an absolute path, reading it only if
// the cache does not know the very same file.
func (c *Client) sumOf(ctx context.Context, path string) (string, error) {
	key := sha256.Sum256([]byte(path))
	record := filepath.Join(c.Cache, "files", hex.EncodeToString(key[:])+".json")
	if sum := knownSum(record, path); sum != "" {
		return sum, nil
	}
	part, err := c.Lock(ctx, record+".part", checksumLabel(path))
	if err != nil {
		return "", err
	}
	defer part.Close()
	defer os.Remove(part.Name())
	if sum := knownSum(record, path); sum != "" { // by whoever held the lock
		return sum, nil
	}
	before, err := stampOf(path)
	if err != nil {
		return "", err
	}
	sum, err := c.read(ctx, path, before.Size)
	if err != nil {
		return "", err
	}
	if after, err := stampOf(path); err != nil || after != before {
		return "", errors.New("it changed while it was read; wait until it is complete")
	}
	return sum, writeJSON(record, summed{before, sum})
}

// knownSum is the checksum on record, if the file is still the one it is of.
func knownSum(record, path string) string {
	var known summed
	readJSON(record, &known)
	now, err := stampOf(path)
	if err != nil || known.stamp != now || !isSHA256(known.SHA256) {
		return ""
	}
	return known.SHA256
}

func checksumLabel(path string) string { return "checksum " + filepath.Base(path) }

// read returns the SHA-256 of a file.
func (c *Client) read(ctx context.Context, path string, size int64) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	task := c.start(checksumLabel(path), size)
	defer task.Done()
	sum, _, err := pour(ctx, io.Discard, counted{f, task}, math.MaxInt64)
	return sum, err
}
