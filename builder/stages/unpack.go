package stages

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berries/builder/disk"
	"berries/builder/pack"
	"berries/builder/progress"
)

// unpacked makes the raw image of a packed one, in a file of its own, and holds the
// packed one against its checksums. Xz and zstd have checksums, too: what is damaged does
// not come out.
func (j *judge) unpacked(ctx context.Context, packed string, show progress.Sink) error {
	sum, err := j.unpack(ctx, packed, show)
	if err != nil {
		return fmt.Errorf("cannot unpack it: %w", err)
	}
	line, err := os.ReadFile(packed + sumSuffix)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	case err == nil && !strings.HasPrefix(string(line), sum+" "):
		return fmt.Errorf("its SHA-256 is %s, and %s says %s", sum, filepath.Base(packed+sumSuffix), strings.TrimSpace(string(line)))
	case j.manifest == nil:
		return nil
	}
	for _, f := range j.manifest.Image.Files {
		if f.File == filepath.Base(packed) && f.SHA256 != sum {
			return fmt.Errorf("its SHA-256 is %s, and the manifest says %s", sum, f.SHA256)
		}
	}
	return nil
}

// unpack fills the file at j.path and returns the SHA-256 of the packed one.
func (j *judge) unpack(ctx context.Context, packed string, show progress.Sink) (sum string, err error) {
	from, err := os.Open(packed)
	if err != nil {
		return "", err
	}
	defer from.Close()
	info, err := from.Stat()
	if err != nil {
		return "", err
	}
	task := show.Start("unpack "+filepath.Base(packed), info.Size())
	defer task.Done()
	form, _ := pack.FormOf(packed)
	h := sha256.New()
	read := io.TeeReader(interruptible{ctx, from, task}, h)
	r, err := pack.Unpack(ctx, j.run, form, read)
	if err != nil {
		return "", err
	}
	defer r.Close()
	to, err := os.OpenFile(j.path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	defer to.Close()
	w := disk.NewSparseWriter(to)
	if _, err := io.Copy(w, r); err != nil {
		return "", err
	}
	if _, err := io.Copy(io.Discard, read); err != nil { // nothing, unless something follows
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), w.Finish()
}

// interruptible is a reader that ends with its context, and tells how far it is.
type interruptible struct {
	ctx  context.Context
	from io.Reader
	task progress.Task
}

func (i interruptible) Read(p []byte) (int, error) {
	if err := context.Cause(i.ctx); err != nil {
		return 0, err
	}
	n, err := i.from.Read(p)
	i.task.Add(int64(n))
	return n, err
}
