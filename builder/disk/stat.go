package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
)

// Kind is what an entry of a filesystem is.
type Kind int

const (
	File Kind = iota
	Dir
	Symlink
	Other // device, pipe or socket; never written here
)

func (k Kind) String() string { return [...]string{"file", "folder", "symlink", "special file"}[k] }

// Info is what the filesystem knows of one path.
type Info struct {
	Kind   Kind
	Mode   uint32 // the twelve permission bits, as chmod takes them
	UID    int
	GID    int
	Size   int64
	Target string // of a symlink

	inode, links int
	times        [4]string // ctime, atime, mtime and crtime, as debugfs prints them
}

// Stat returns what is known of paths; one that is not there is not in the
// map. The last part of a path is not followed when it is a symlink.
func (e *Ext4) Stat(ctx context.Context, paths ...string) (map[string]Info, error) {
	out := map[string]Info{}
	err := e.look(ctx, paths, nil, func(p string, info Info, _ string) error {
		out[p] = info
		return nil
	})
	var long []string
	for p, info := range out {
		if info.Kind == Symlink && info.Target == "" {
			long = append(long, p) // it lies outside the inode, and stat does not show it
		}
	}
	if err == nil && len(long) > 0 {
		err = e.look(ctx, long, long, func(p string, info Info, content string) error {
			target, err := os.ReadFile(content)
			info.Target = string(target)
			out[p] = info
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look into partition %d of %s: %w", e.part.Number, e.image, err)
	}
	return out, nil
}

// checkPath refuses paths that are not absolute and plain.
func checkPath(p string) error {
	if !path.IsAbs(p) || path.Clean(p) != p || p == "/" {
		return fmt.Errorf("%q is not an absolute, plain path", p)
	}
	return nil
}

// notThere is the error for a path that is not there.
func notThere(p string) error { return fmt.Errorf("%s: %w", p, fs.ErrNotExist) }

// The lines of debugfs's stat that matter.
var (
	statInode  = regexp.MustCompile(`(?m)^Inode: (\d+)\s+Type: (\w+)\s+Mode:\s+(\d+)`)
	statOwner  = regexp.MustCompile(`(?m)^User:\s+(\d+)\s+Group:\s+(\d+)\s.*\bSize: (\d+)$`)
	statLinks  = regexp.MustCompile(`(?m)^Links: (\d+)`)
	statTimes  = regexp.MustCompile(`(?m)^ ?(?:ctime|atime|mtime|crtime): (0x[0-9a-f]+(?::[0-9a-f]+)?)`)
	statTarget = regexp.MustCompile(`(?m)^Fast link dest: "(.*)"$`)
)

// parseStat reads the answer to one stat request.
func parseStat(reply string) (Info, error) {
	inode, owner, links := statInode.FindStringSubmatch(reply), statOwner.FindStringSubmatch(reply), statLinks.FindStringSubmatch(reply)
	if inode == nil || owner == nil || links == nil {
		return Info{}, fmt.Errorf("debugfs printed something unexpected: %s", firstLine(reply))
	}
	kind, ok := map[string]Kind{"regular": File, "directory": Dir, "symlink": Symlink}[inode[2]]
	if !ok {
		kind = Other
	}
	info := Info{Kind: kind}
	mode, err := strconv.ParseUint(inode[3], 8, 12)
	info.Mode = uint32(mode)
	for _, n := range []struct {
		to   *int
		text string
	}{{&info.inode, inode[1]}, {&info.UID, owner[1]}, {&info.GID, owner[2]}, {&info.links, links[1]}} {
		var numErr error
		*n.to, numErr = strconv.Atoi(n.text)
		err = errors.Join(err, numErr)
	}
	size, sizeErr := strconv.ParseInt(owner[3], 10, 64)
	info.Size = size
	for i, m := range statTimes.FindAllStringSubmatch(reply, len(info.times)) {
		info.times[i] = m[1]
	}
	if target := statTarget.FindStringSubmatch(reply); target != nil {
		info.Target = target[1]
	}
	return info, errors.Join(err, sizeErr)
}
