package disk

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"berries/firstboot/host"
)

// Tools is e2fsprogs on this machine: the programs that write ext4.
type Tools struct {
	run                                host.Runner
	debugfs, resize2fs, e2fsck, mke2fs string // absolute paths
}

const installE2fsprogs = "install e2fsprogs 1.47 or newer (Debian and Ubuntu: apt install e2fsprogs; macOS: brew install e2fsprogs)"

// FindTools finds e2fsprogs and checks that it is new enough. Versions before
// 1.47 do not know the orphan_file feature of Raspberry Pi OS trixie.
func FindTools(ctx context.Context, run host.Runner) (*Tools, error) {
	t := &Tools{run: run}
	programs := []struct {
		name string
		path *string
	}{{"debugfs", &t.debugfs}, {"resize2fs", &t.resize2fs}, {"e2fsck", &t.e2fsck}, {"mke2fs", &t.mke2fs}}
	var missing []string
	for _, p := range programs {
		found, err := LookPath(p.name)
		if err != nil {
			missing = append(missing, p.name)
		}
		*p.path = found
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("cannot write ext4 without %s; %s", strings.Join(missing, ", "), installE2fsprogs)
	}
	for _, p := range programs {
		if err := t.checkVersion(ctx, *p.path); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// versionLine is what each of the programs prints first, such as
// "debugfs 1.47.0 (5-Feb-2023)".
var versionLine = regexp.MustCompile(`(?m)^\w+ (\d+)\.(\d+)`)

// checkVersion asks the program at path for its version. The exit status says
// nothing: resize2fs has no such option and prints its version all the same.
func (t *Tools) checkVersion(ctx context.Context, path string) error {
	res, err := t.run.Run(ctx, host.Command(path, "-V"))
	if ctx.Err() != nil {
		return err
	}
	m := versionLine.FindSubmatch(append(res.Stderr, res.Stdout...))
	if m == nil {
		return fmt.Errorf("cannot tell the version of %s; %s", path, installE2fsprogs)
	}
	major, _ := strconv.Atoi(string(m[1]))
	minor, _ := strconv.Atoi(string(m[2]))
	if major < 1 || major == 1 && minor < 47 {
		return fmt.Errorf("%s is version %s.%s, which cannot write today's Raspberry Pi OS; %s", path, m[1], m[2], installE2fsprogs)
	}
	return nil
}

// LookPath finds a program in PATH, and else in the folders of system programs
// that an ordinary user's PATH may lack: the administrators' folders on
// Debian, and those of Homebrew's e2fsprogs, which it keeps out of PATH.
func LookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return filepath.Abs(path)
	}
	for _, dir := range []string{
		"/usr/local/sbin", "/usr/sbin", "/sbin",
		"/opt/homebrew/opt/e2fsprogs/sbin", "/usr/local/opt/e2fsprogs/sbin",
		"/home/linuxbrew/.linuxbrew/opt/e2fsprogs/sbin",
	} {
		path := filepath.Join(dir, name)
		if info, statErr := os.Stat(path); statErr == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", err
}
