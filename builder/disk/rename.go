package disk

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
)

// Remove takes away files, symlinks and empty folders. What is not there is
// well already.
func (e *Ext4) Remove(ctx context.Context, paths ...string) error {
	if err := e.remove(ctx, paths); err != nil {
		return fmt.Errorf("cannot remove from partition %d of %s: %w", e.part.Number, e.image, err)
	}
	return nil
}

func (e *Ext4) remove(ctx context.Context, paths []string) error {
	there, err := e.Stat(ctx, paths...)
	if err != nil {
		return err
	}
	var s script
	for _, p := range slices.Backward(slices.Compact(slices.Sorted(slices.Values(paths)))) { // what is in a folder before the folder
		switch info, ok := there[p]; {
		case ok && info.Kind == Dir:
			s.add("rmdir", p)
		case ok:
			s.add("rm", p)
		}
	}
	if err := e.edit(ctx, &s); err != nil {
		return err
	}
	left, err := e.Stat(ctx, paths...)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		return fmt.Errorf("%d of %d paths are still there", len(left), len(paths))
	}
	return e.reload()
}

// Rename gives a file, symlink or folder another name in the same folder, where
// nothing may have that name yet.
func (e *Ext4) Rename(ctx context.Context, from, to string) error {
	if err := e.rename(ctx, from, to); err != nil {
		return fmt.Errorf("cannot rename %s to %s in partition %d of %s: %w", from, to, e.part.Number, e.image, err)
	}
	return nil
}

func (e *Ext4) rename(ctx context.Context, from, to string) error {
	if path.Dir(from) != path.Dir(to) {
		return errors.New("that is another folder")
	}
	before, err := e.Stat(ctx, from, to)
	if err != nil {
		return err
	}
	if _, ok := before[from]; !ok {
		return notThere(from)
	}
	if _, ok := before[to]; ok {
		return fmt.Errorf("%s is there already", to)
	}
	var s script
	s.add("ln", from, to) // counts no link, and unlink uncounts none
	s.add("unlink", from)
	if err := e.edit(ctx, &s); err != nil {
		return err
	}
	after, err := e.Stat(ctx, from, to)
	if err != nil {
		return err
	}
	if _, ok := after[from]; ok || after[to] != before[from] {
		return errors.New("reading back finds something else")
	}
	return e.reload()
}
