package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// content is where the file with that SHA-256 lies in the cache.
func (c *Client) content(sum string) string {
	return filepath.Join(c.Cache, "sha256", sum[:2], sum)
}

// byURL is the common stem of what the cache knows about a URL.
func (c *Client) byURL(url string) string {
	key := urlKey(url)
	return filepath.Join(c.Cache, "url", key[:2], key)
}

// urlKey stands for a URL, which may hold a password, where anyone may read.
func urlKey(url string) string {
	sum := sha256.Sum256([]byte(url))
	return hex.EncodeToString(sum[:])
}

// version is what a server says about which version of a file it has, and
// which content that was. It is kept beside a .part file, to resume only what
// has not changed since, and for every URL that is fetched without a checksum.
type version struct {
	Key          string `json:"key"` // urlKey of what it is a version of
	ETag         string `json:"etag,omitempty"`
	LastModified string `json:"last_modified,omitempty"`
	SHA256       string `json:"sha256,omitempty"` // of the whole file; "" for a .part
}

// readJSON fills v from a file of the cache. A file that is missing or makes
// no sense leaves v as it was: the cache may be emptied at any time.
func readJSON[T any](path string, v *T) {
	b, err := os.ReadFile(path)
	if err != nil {
		return
	}
	var got T
	if json.Unmarshal(b, &got) == nil {
		*v = got
	}
}

// writeJSON replaces a file of the cache. The caller holds the lock that
// belongs to it, so the new file has a fixed name, and one that a killed process
// left is written over.
func writeJSON(path string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}

// holds tells whether path is a regular file, of that size unless size is 0.
func holds(path string, size int64) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && (size == 0 || fi.Size() == size)
}

// lockPause is the time between two looks at a lock that someone else holds.
const lockPause = 100 * time.Millisecond

// Lock opens the file at path, making it where needed, and locks it against
// every other process and goroutine until it is closed. Its holder may rename
// or remove it: whoever waited then sees that the locked file is not the one at
// path any more, and locks that one instead. Label says in progress what is
// waited for.
func (c *Client) Lock(ctx context.Context, path, label string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		if err := c.flock(ctx, f, label); err != nil {
			f.Close()
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		if isAt(f, path) {
			return f, nil
		}
		f.Close()
	}
}

func (c *Client) flock(ctx context.Context, f *os.File, label string) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if !errors.Is(err, unix.EWOULDBLOCK) {
		return err
	}
	if label != "" {
		label = "wait for another build: " + label
	}
	defer c.start(label, 0).Done()
	for errors.Is(err, unix.EWOULDBLOCK) {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(lockPause):
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	}
	return err
}

// isAt tells whether the open file is still the one at path.
func isAt(f *os.File, path string) bool {
	here, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(here, there)
}

// remove removes files that may be missing.
func remove(paths ...string) error {
	for _, p := range paths {
		if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// seal gives a whole and synced .part file its final name, and makes it
// read-only after that: a .part that could not be written to would be in the
// way of the next run.
func seal(part *os.File, final string) error {
	if err := os.Rename(part.Name(), final); err != nil {
		return err
	}
	if err := part.Chmod(0o444); err != nil {
		return err
	}
	return syncDir(filepath.Dir(final))
}

// syncDir makes a rename in dir survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
