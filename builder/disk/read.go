package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ReadFiles returns the content of files, all read by one debugfs. A path that
// is not there is an error (fs.ErrNotExist), and so is one that is no file: a
// symlink as last part of a path is not followed.
func (e *Ext4) ReadFiles(ctx context.Context, paths ...string) (map[string][]byte, error) {
	out := map[string][]byte{}
	err := e.readFiles(ctx, paths, out)
	if err != nil {
		return nil, fmt.Errorf("cannot read from partition %d of %s: %w", e.part.Number, e.image, err)
	}
	return out, nil
}

func (e *Ext4) readFiles(ctx context.Context, paths []string, out map[string][]byte) error {
	infos, err := e.Stat(ctx, paths...)
	if err != nil {
		return err
	}
	for _, p := range paths {
		info, ok := infos[p]
		switch {
		case !ok:
			return notThere(p)
		case info.Kind == Symlink:
			return fmt.Errorf("%s is a symlink to %s", p, info.Target)
		case info.Kind != File:
			return fmt.Errorf("%s is a %s", p, info.Kind)
		}
	}
	return e.look(ctx, paths, paths, func(p string, _ Info, content string) error {
		data, err := os.ReadFile(content)
		out[p] = data
		return err
	})
}

// List returns the names in a folder, sorted.
func (e *Ext4) List(ctx context.Context, dir string) ([]string, error) {
	var s script
	if dir != "/" {
		s.fail(checkPath(dir))
	}
	s.add("ls", "-p", dir)
	replies, err := e.debugfs(ctx, &s, true)
	if err == nil && strings.TrimSpace(replies[0]) == "" {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("cannot list %s in partition %d of %s: %w", dir, e.part.Number, e.image, err)
	}
	var names []string
	for line := range strings.Lines(replies[0]) {
		// inode, mode, owner, group, name, size: /12/040755/0/0/etc//
		if f := strings.Split(line, "/"); len(f) > 5 && f[5] != "." && f[5] != ".." {
			names = append(names, f[5])
		}
	}
	slices.Sort(names)
	return names, nil
}

// look asks one debugfs for many paths and calls each for those that are there,
// with what stat says. For the paths that are in contents too, content names a
// file with the content; for a symlink that is its target, when that is too
// long for the inode. These files lie in a folder that only this user can
// enter, and are gone when look returns.
func (e *Ext4) look(ctx context.Context, paths, contents []string, each func(p string, info Info, content string) error) (err error) {
	dir, err := os.MkdirTemp("", "berry-read-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var s script
	for _, p := range paths {
		s.fail(checkPath(p))
		s.add("stat", p)
	}
	content := map[string]string{}
	for i, p := range contents {
		content[p] = filepath.Join(dir, strconv.Itoa(i))
		s.add("dump", p, content[p])
		// debugfs would make it readable by all, and keeps the mode of what is there.
		if err := os.WriteFile(content[p], nil, 0o600); err != nil {
			return err
		}
	}
	replies, err := e.debugfs(ctx, &s, true)
	if err != nil {
		return err
	}
	for i, p := range paths {
		if replies[i] == "" {
			continue
		}
		info, err := parseStat(replies[i])
		if err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := each(p, info, content[p]); err != nil {
			return err
		}
	}
	return nil
}
