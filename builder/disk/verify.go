package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
)

// inlineTarget is the longest symlink target that lies in the inode itself.
const inlineTarget = 59

// verify reads everything of the plan back with one debugfs and compares kind,
// mode, owner, times and content.
func (e *Ext4) verify(ctx context.Context, plan []planned) error {
	byPath := map[string]planned{}
	var paths, contents []string
	for _, p := range plan {
		byPath[p.Path] = p
		paths = append(paths, p.Path)
		if p.Kind == File || p.Kind == Symlink && len(p.Target) > inlineTarget {
			contents = append(contents, p.Path)
		}
	}
	seen := 0
	err := e.look(ctx, paths, contents, func(path string, got Info, content string) error {
		seen++
		if err := e.compare(byPath[path], got, content); err != nil {
			return fmt.Errorf("%s, read back: %w", path, err)
		}
		return nil
	})
	if err == nil && seen != len(plan) {
		err = fmt.Errorf("%d of %d paths are not there after writing them", len(plan)-seen, len(plan))
	}
	return err
}

// compare says how what is there differs from what was to be written.
func (e *Ext4) compare(want planned, got Info, content string) error {
	second := fmt.Sprintf("%#08x:%08x", e.time.Unix(), 0)
	mode := want.Mode
	if want.Kind == Symlink {
		mode = 0o777
	}
	switch {
	case got.Kind != want.Kind || got.Mode != mode:
		return fmt.Errorf("it is a %s with mode %#o, not a %s with %#o", got.Kind, got.Mode, want.Kind, mode)
	case got.UID != want.UID || got.GID != want.GID:
		return fmt.Errorf("its owner is %d:%d, not %d:%d", got.UID, got.GID, want.UID, want.GID)
	case got.times != [4]string{second, second, second, second}:
		return fmt.Errorf("its times are %v, not %s", got.times, second)
	case want.Kind == Symlink:
		return compareTarget(want.Target, got.Target, content)
	case want.Kind == File:
		return compareContent(want.host, content)
	}
	return nil
}

func compareTarget(want, got, content string) error {
	if content != "" {
		data, err := os.ReadFile(content)
		if err != nil {
			return err
		}
		got = string(data)
	}
	if got != want {
		return fmt.Errorf("it leads to %s, not to %s", got, want)
	}
	return nil
}

// compareContent says whether two files on this machine hold the same.
func compareContent(want, got string) error {
	a, err := fileDigest(want)
	if err != nil {
		return err
	}
	b, err := fileDigest(got)
	if err != nil {
		return err
	}
	if a != b {
		return errors.New("its content is not what was written")
	}
	return nil
}

func fileDigest(path string) (digest [sha256.Size]byte, err error) {
	f, err := os.Open(path)
	if err != nil {
		return digest, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return digest, err
	}
	h.Sum(digest[:0])
	return digest, nil
}
