package host

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// maxLinks is how many symbolic links one path may lead through; the kernel
// gives up at the same number (path_resolution(7)).
const maxLinks = 40

// resolve turns an absolute path as a step writes it into a name below the root
// directory that leads through no symbolic link. Links are followed as a process
// chrooted into the root would follow them: os.Root would refuse every absolute
// one, even with the root "/". With last false, a link at the very end stays.
// Parts that do not exist are kept as they are.
func (f *Files) resolve(name string, last bool) (string, error) {
	var done []string
	todo := parts(name)
	for links := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		if part == ".." {
			done = done[:max(0, len(done)-1)]
			continue
		}
		here := path.Join(append(done[:len(done):len(done)], part)...)
		target, err := "", error(nil)
		if last || len(todo) > 0 {
			target, err = f.root.Readlink(here)
		}
		if target == "" || err != nil { // not a link, or nothing at all
			done = append(done, part)
			continue
		}
		if links++; links > maxLinks {
			return "", fmt.Errorf("%s: %w", name, syscall.ELOOP)
		}
		if path.IsAbs(target) {
			done = nil
		}
		todo = append(parts(target), todo...)
	}
	return path.Join(append([]string{"."}, done...)...), nil
}

// parts splits a path, leaving out what does not move.
func parts(name string) []string {
	var list []string
	for part := range strings.SplitSeq(name, "/") {
		if part != "" && part != "." {
			list = append(list, part)
		}
	}
	return list
}

// cause takes the path off an error: it is the resolved one, and the caller
// names the one that the step asked for.
func cause(err error) error {
	switch e := err.(type) {
	case *fs.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}
