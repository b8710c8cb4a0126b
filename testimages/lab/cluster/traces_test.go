//go:build lab

package cluster

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berries/testimages/lab/labtest"
)

// traces lists whatever of a lab can be found on this machine, one a line, without
// asking the lab.
func traces(t *testing.T, l *Lab) string {
	t.Helper()
	var found strings.Builder
	note := func(kind, what string, in ...string) {
		for _, text := range in {
			if strings.Contains(text, l.id) || strings.Contains(text, l.dir) {
				fmt.Fprintln(&found, kind, what)
				return
			}
		}
	}
	for _, pid := range glob(t, "/proc/[0-9]*") {
		if strings.Contains(content(pid+"/status"), "\nState:\tZ") {
			continue // it has ended; init has yet to take notice
		}
		note("process", pid+" "+content(pid+"/comm"), content(pid+"/cmdline"), content(pid+"/cgroup"))
		note("mounts of process", pid, content(pid+"/mountinfo"))
	}
	for _, file := range glob(t, "/sys/block/loop*/loop/backing_file") {
		note("loop device", file, content(file))
		for _, image := range labtest.Images(labtest.Folder(t), names...) { // another lab's, too: tests are alone with these images
			if strings.TrimSpace(content(file)) == image {
				fmt.Fprintln(&found, "loop device", file, image)
			}
		}
	}
	for _, kind := range []struct{ name, top string }{{"cgroup", "/sys/fs/cgroup"}, {"namespace", "/run"}, {"file", filepath.Dir(l.dir)}} {
		filepath.WalkDir(kind.top, func(path string, d fs.DirEntry, err error) error {
			if err == nil && (d.IsDir() || kind.name != "cgroup") { // others come and go
				note(kind.name, path, path)
			}
			return nil
		})
	}
	return found.String()
}

// mounts are the mounts of this process, and whether there are folders that ip and
// systemd-nspawn make. Namespaces are left out: other labs come and go, and traces
// knows ours.
func mounts(t *testing.T) string {
	t.Helper()
	var found strings.Builder
	for line := range strings.Lines(content("/proc/self/mountinfo")) {
		if !strings.Contains(line, " "+netns+"/") {
			found.WriteString(line)
		}
	}
	for _, dir := range []string{netns, "/run/systemd/nspawn"} {
		fmt.Fprintln(&found, glob(t, dir))
	}
	return found.String()
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// content is what a file holds; nothing when it has gone meanwhile.
func content(file string) string {
	data, _ := os.ReadFile(file)
	return string(data)
}
