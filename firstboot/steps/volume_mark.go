package steps

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// markName is the attribute that makes a directory a brick: the volume's id.
const markName = "trusted.glusterfs.volume-id"

// mark gives the id of the volume that this node's brick is marked with, without
// hyphens, or "".
func (v volume) mark(ctx context.Context) (string, error) {
	cmd := host.Command("getfattr", "--absolute-names", "--encoding=hex", "--name="+markName, v.f.Brick.Dir)
	res, err := timed{v.h.Runner, glusterAnswers}.Run(ctx, cmd)
	if ce, failed := errors.AsType[*host.CommandError](err); failed && strings.Contains(ce.Output, "No such attribute") {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot look at the brick: %w", err)
	}
	_, id, found := strings.Cut(string(res.Stdout), markName+"=0x")
	if !found {
		return "", fmt.Errorf("%s says %.200q", cmd, res.Stdout)
	}
	return strings.TrimSpace(id), nil
}

// leftovers looks for what a create that came to nothing has left on this node's
// brick. On other nodes than the first a create on its way looks the same.
func (v volume) leftovers(ctx context.Context) ([]difference, error) {
	mark, err := v.mark(ctx)
	if err != nil {
		return nil, err
	}
	dir := v.f.Brick.Dir
	if mark == "" && !v.h.Files.Exists(dir+"/"+bookkeeping) {
		return nil, nil
	}
	held, err := v.held()
	if err != nil {
		return nil, err
	}
	if held != "" {
		return []difference{{
			what:  fmt.Sprintf("there is no volume %s, but its brick holds %s", v.name, held),
			doing: "looking at " + dir,
			after: mayPass, // a node that has lost its records gets them from the others
			mend: func(context.Context) error {
				return fmt.Errorf("there is no volume %s, but %s was a brick of one and holds %s; copy what is of use elsewhere and type: rm -r %s",
					v.name, dir, held, dir)
			},
		}}, nil
	}
	list := v.anew("a volume that there is not")
	if v.f.Name != v.leader() {
		list[0].after = mayPass
	}
	return list, nil
}

// bookkeeping is the folder of a brick in which each file has a second name, by its
// gfid, and each folder a link.
const bookkeeping = ".glusterfs"

var (
	twoHex = regexp.MustCompile(`^[0-9a-f]{2}$`)
	// records are the parts of bookkeeping that hold no content of files.
	records = []string{"changelogs", "health_check", "indices"}
	// remains are those that hold files which are deleted but still open.
	remains = []string{"landfill", "unlink"}
)

// held gives the first name in the brick that speaks against its being empty: one
// that a brick without a file does not have, as seen on GlusterFS 10.3 right after a
// create, after a start, and after all files had been deleted.
func (v volume) held() (string, error) {
	return v.search(v.f.Brick.Dir, func(name string) (string, error) {
		switch base := path.Base(name); {
		case base == bookkeeping:
			return v.search(name, v.recorded)
		case strings.HasPrefix(base, ".glusterfs-anonymous-inode-"): // for files that have lost their name
			return v.search(name, itself)
		}
		return name, nil
	})
}

// recorded is held for a name in the bookkeeping.
func (v volume) recorded(name string) (string, error) {
	switch base := path.Base(name); {
	case slices.Contains(records, base):
		return "", nil
	case slices.Contains(remains, base):
		return v.search(name, itself)
	case !twoHex.MatchString(base):
		return name, nil
	}
	return v.search(name, func(second string) (string, error) {
		return v.search(second, func(gfid string) (string, error) {
			target, err := v.h.Files.Target(gfid)
			if strings.HasPrefix(target, "../../") { // a folder
				return "", err
			}
			return gfid, err
		})
	})
}

// search gives what judge makes of the first name in a directory of which it makes
// anything.
func (v volume) search(dir string, judge func(name string) (string, error)) (string, error) {
	names, err := v.h.Files.List(dir)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		if found, err := judge(dir + "/" + name); err != nil || found != "" {
			return found, err
		}
	}
	return "", nil
}

// itself is a judge to whom every name speaks against it.
func itself(name string) (string, error) { return name, nil }
