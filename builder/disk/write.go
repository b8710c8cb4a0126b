package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
)

// Entry is one thing to write into a filesystem.
type Entry struct {
	Path   string // absolute; folders above it that are missing are made, 0755, owned by root
	Kind   Kind   // File, Dir or Symlink
	Mode   uint32 // the twelve permission bits, as chmod takes them; not for symlinks
	UID    int
	GID    int
	Data   []byte // content of a file,
	Source string // unless this names a file on this machine that holds it
	Target string // of a symlink
}

// planned is an entry and what lies in its place now.
type planned struct {
	Entry
	there bool
	host  string // for a file: the file on this machine that debugfs copies
	size  int64  // of that
}

// Write writes entries, replacing files and symlinks that are there; a folder
// that is there keeps what is in it and gets the mode and owner. Everything
// written carries the time of OpenExt4. The order of entries does not matter:
// the same entries make the same bytes. Afterwards everything is read back and
// compared. After an error the image is good for nothing.
func (e *Ext4) Write(ctx context.Context, entries []Entry) error {
	if err := e.write(ctx, entries); err != nil {
		return fmt.Errorf("cannot write into partition %d of %s: %w", e.part.Number, e.image, err)
	}
	return nil
}

func (e *Ext4) write(ctx context.Context, entries []Entry) (err error) {
	plan, err := e.planWrite(ctx, entries)
	if err != nil || len(plan) == 0 {
		return err
	}
	dir, err := os.MkdirTemp("", "berry-write-*") // 0700: contents may be secret
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := stageFiles(plan, dir); err != nil {
		return err
	}
	if err := e.checkSpace(plan); err != nil {
		return err
	}
	var s script
	for _, p := range plan {
		e.addWrite(&s, p)
	}
	if err := e.edit(ctx, &s); err != nil {
		return err
	}
	if err := e.verify(ctx, plan); err != nil {
		return err
	}
	return e.reload()
}

// planWrite sorts the entries, adds the missing folders above them and looks at
// what is there.
func (e *Ext4) planWrite(ctx context.Context, entries []Entry) ([]planned, error) {
	wanted, above := map[string]Entry{}, map[string]bool{}
	for _, entry := range entries {
		if err := entry.check(); err != nil {
			return nil, err
		}
		if _, twice := wanted[entry.Path]; twice {
			return nil, fmt.Errorf("%s is to be written twice", entry.Path)
		}
		wanted[entry.Path] = entry
		for dir := path.Dir(entry.Path); dir != "/"; dir = path.Dir(dir) {
			above[dir] = true
		}
	}
	var paths []string
	for dir := range above {
		if _, ok := wanted[dir]; !ok {
			paths = append(paths, dir)
		}
	}
	for p := range wanted {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	there, err := e.Stat(ctx, paths...)
	if err != nil {
		return nil, err
	}
	return fit(paths, wanted, above, there)
}

// fit makes the plan from what is wanted and what is there.
func fit(paths []string, wanted map[string]Entry, above map[string]bool, there map[string]Info) ([]planned, error) {
	var plan []planned
	for _, p := range paths {
		entry, asked := wanted[p]
		info, exists := there[p]
		switch {
		case asked && above[p] && entry.Kind != Dir:
			return nil, fmt.Errorf("%s is to be a %s and to have files below it", p, entry.Kind)
		case exists && above[p] && info.Kind == Symlink:
			return nil, fmt.Errorf("%s is a symlink to %s; write to the place it leads to", p, info.Target)
		case exists && above[p] && info.Kind != Dir:
			return nil, fmt.Errorf("%s is a %s, not a folder", p, info.Kind)
		case exists && asked && (info.Kind == Dir) != (entry.Kind == Dir):
			return nil, fmt.Errorf("%s is to be a %s and is a %s", p, entry.Kind, info.Kind)
		case !asked && exists:
			continue
		case !asked:
			entry = Entry{Path: p, Kind: Dir, Mode: 0o755}
		}
		plan = append(plan, planned{Entry: entry, there: exists})
	}
	return plan, nil
}

// check says what is wrong with an entry by itself.
func (e Entry) check() error {
	const maxID = 1<<32 - 2 // the last number means "nobody in particular"
	switch {
	case e.Kind != File && e.Kind != Dir && e.Kind != Symlink:
		return fmt.Errorf("%s: a %s cannot be written", e.Path, e.Kind)
	case e.Mode > 0o7777:
		return fmt.Errorf("%s: the mode %#o is not twelve permission bits", e.Path, e.Mode)
	case e.UID < 0 || e.GID < 0 || int64(e.UID) > maxID || int64(e.GID) > maxID:
		return fmt.Errorf("%s: no such owner: %d:%d", e.Path, e.UID, e.GID)
	case e.Source != "" && e.Data != nil, e.Kind != File && (e.Source != "" || e.Data != nil):
		return fmt.Errorf("%s: the content is given twice, or is not of a file", e.Path)
	case (e.Kind == Symlink) != (e.Target != ""):
		return fmt.Errorf("%s: a symlink, and only that, has a target", e.Path)
	}
	return checkPath(e.Path)
}

// stageFiles puts the contents given as data into files of folder dir, which
// debugfs can copy from.
func stageFiles(plan []planned, dir string) error {
	for i := range plan {
		p := &plan[i]
		if p.Kind != File {
			continue
		}
		p.host = p.Source
		if p.Source == "" {
			p.host = filepath.Join(dir, strconv.Itoa(i))
			if err := os.WriteFile(p.host, p.Data, 0o600); err != nil {
				return err
			}
		}
		info, err := os.Stat(p.host)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is not a file", p.host)
		}
		p.size = info.Size()
		if p.host, err = filepath.Abs(p.host); err != nil {
			return err
		}
	}
	return nil
}

// checkSpace refuses what does not fit, before anything is written.
func (e *Ext4) checkSpace(plan []planned) error {
	var need int64
	for _, p := range plan {
		need += (p.size+e.super.BlockSize-1)/e.super.BlockSize + 1
	}
	if need > e.super.FreeBlocks {
		return fmt.Errorf("%d MiB are to be written and %d MiB are free; give the root partition more room",
			need*e.super.BlockSize>>20+1, e.super.FreeBlocks*e.super.BlockSize>>20)
	}
	return nil
}

// addWrite appends the requests that write one entry.
func (e *Ext4) addWrite(s *script, p planned) {
	if p.there && p.Kind != Dir {
		s.add("rm", p.Path)
	}
	format := uint32(0o100000)
	switch {
	case p.Kind == File:
		s.add("write", p.host, p.Path)
	case p.Kind == Symlink:
		s.add("symlink", p.Path, p.Target)
	case !p.there:
		s.add("mkdir", p.Path)
		fallthrough
	default:
		format = 0o040000
	}
	set := func(field, value string) { s.add("sif", p.Path, field, value) }
	if p.Kind != Symlink {
		set("mode", fmt.Sprintf("%#o", format|p.Mode))
	}
	set("uid", strconv.Itoa(p.UID))
	set("gid", strconv.Itoa(p.GID))
	for _, field := range []string{"atime", "mtime", "ctime", "crtime"} {
		set(field, "@"+strconv.FormatInt(e.time.Unix(), 10))
		if p.there && p.Kind == Dir { // the kernel has left nanoseconds there
			set(field+"_extra", "0")
		}
	}
}
