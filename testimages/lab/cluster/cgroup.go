package cluster

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
	"time"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// A group is a cgroup of the lab's, by its path below the root of the hierarchy: one
// for each node, one for the router, and one above them.
//
// Being in a group is what makes a process the lab's; there are no PID files. A
// group that was killed is not used again: Linux 6.18 kills what is cloned into it
// afterwards.
type group string

func (l *Lab) group(name string) group { return group(filepath.Join(l.id, name)) }

func (l *Lab) nodeGroup(name string) group { return l.group(filepath.Join(nodesDir, name)) }

// hierarchies are where the cgroup filesystems are mounted that systemd uses: that of
// the second version first, and the named one of the first where it is there.
func hierarchies() ([]string, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parseHierarchies(string(text))
}

func parseHierarchies(mountinfo string) ([]string, error) {
	var second, named []string
	for line := range strings.Lines(mountinfo) {
		before, after, _ := strings.Cut(line, " - ")
		where, what := strings.Fields(before), strings.Fields(after)
		switch {
		case len(where) < 5 || len(what) < 3:
		case what[0] == "cgroup2":
			second = append(second, where[4])
		case what[0] == "cgroup" && slices.Contains(strings.Split(what[2], ","), "name=systemd"):
			named = append(named, where[4])
		}
	}
	if len(second) == 0 {
		return nil, errors.New("cgroup v2 is not mounted; type: mount -t cgroup2 none /sys/fs/cgroup")
	}
	return append(second[:1], named...), nil
}

// path is the group's folder.
func (g group) path() (string, error) {
	roots, err := hierarchies()
	if err != nil {
		return "", err
	}
	return filepath.Join(roots[0], string(g)), nil
}

// make makes the group. One that is there is fs.ErrExist.
func (g group) make() error {
	path, err := g.path()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.Mkdir(path, 0o755)
}

// in has a command run in the group. What it leaves running stays there.
func (g group) in(cmd host.Cmd) (host.Cmd, error) {
	path, err := g.path()
	if err != nil {
		return host.Cmd{}, err
	}
	cmd.Args = append([]string{"-c", `echo 0 >"$0" && exec "$@"`, filepath.Join(path, "cgroup.procs"), cmd.Name}, cmd.Args...)
	cmd.Name = "sh"
	return cmd, nil
}

// processes are those of the group and the groups below it.
func (g group) processes() ([]int, error) {
	top, err := g.path()
	if err != nil {
		return nil, err
	}
	var pids []int
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && !d.IsDir() {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return nil
		}
		for _, word := range strings.Fields(string(text)) {
			pid, err := strconv.Atoi(word)
			if err != nil {
				return err
			}
			pids = append(pids, pid)
		}
		return err
	})
	return pids, err
}

// kill kills every process of the group at once, waits for their end, and takes the
// group away. Where there is none it does nothing.
func (g group) kill(ctx context.Context) error {
	path, err := g.path()
	if err != nil {
		return err
	}
	err = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot kill the processes of %s: %w", g, err)
	}
	return g.remove(ctx)
}

// remove waits until the group has no process any more, and takes it away.
func (g group) remove(ctx context.Context) error {
	roots, err := hierarchies()
	if err != nil {
		return err
	}
	err = until(ctx, func() (bool, error) {
		pids, err := g.processes()
		return len(pids) == 0, err
	})
	if err != nil {
		return fmt.Errorf("there are still processes in %s: %w", g, err)
	}
	for _, root := range roots {
		err = errors.Join(err, removeFolders(ctx, filepath.Join(root, string(g))))
	}
	return err
}

// removeFolders takes a group away, and those below it first: a group's files
// cannot be removed.
func removeFolders(ctx context.Context, top string) error {
	var folders []string
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			folders = append(folders, path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	for _, folder := range slices.Backward(folders) {
		// The kernel lets go of a group a moment after its last process.
		err = errors.Join(err, until(ctx, func() (bool, error) {
			switch err := os.Remove(folder); {
			case err == nil, errors.Is(err, fs.ErrNotExist):
				return true, nil
			case errors.Is(err, unix.EBUSY):
				return false, nil
			default:
				return false, err
			}
		}))
	}
	return err
}

// patience is how long the kernel may take to let go of what a killed process had:
// it writes the bricks out before.
const patience = time.Minute

// until waits for something that comes by itself.
func until(ctx context.Context, holds func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("not within %v", patience))
	defer cancel()
	for {
		if ok, err := holds(); ok || err != nil {
			return err
		}
		if err := (host.Wall{}).Sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}
