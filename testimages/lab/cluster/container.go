package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// boot starts the container, and closes ended when it has ended.
func (l *Lab) boot(ctx context.Context, n record) (ended chan struct{}, err error) {
	ended = make(chan struct{})
	started := make(chan error)
	go func() {
		defer close(ended)
		// A mount namespace is a thread's. This one ends with the goroutine, since it
		// is never unlocked.
		runtime.LockOSThread()
		cmd, err := l.bootHere(ctx, n)
		started <- err
		if err == nil {
			cmd.Wait() // how it ended is told by the console
		}
	}()
	return ended, <-started
}

// bootHere starts the container from this thread, in a mount namespace of its own,
// which is the thread's only until then.
func (l *Lab) bootHere(ctx context.Context, n record) (*exec.Cmd, error) {
	outside, err := os.Open("/proc/thread-self/ns/mnt")
	if err != nil {
		return nil, err
	}
	defer outside.Close()
	if err := os.MkdirAll("/run/systemd", 0o755); err != nil {
		return nil, err
	}
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return nil, fmt.Errorf("cannot make a mount namespace: %w", err)
	}
	defer unix.Setns(int(outside.Fd()), unix.CLONE_NEWNS)
	// What is unmounted outside must be gone here, too.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return nil, fmt.Errorf("cannot make mounts private: %w", err)
	}
	if err := l.insert(ctx, n); err != nil {
		return nil, err
	}
	return l.spawn(n)
}

// spawn starts systemd-nspawn in the node's group. It outlives this program: the lab
// stays up.
func (l *Lab) spawn(n record) (*exec.Cmd, error) {
	path, err := l.nodeGroup(n.Name).path()
	if err != nil {
		return nil, err
	}
	g, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer g.Close()
	console, err := os.OpenFile(l.path(nodesDir, n.Name, "console.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer console.Close()
	args := append(settings[:len(settings):len(settings)], "--directory="+l.path(nodesDir, n.Name, rootDir),
		"--machine="+l.Namespace(n.Name), "--hostname="+n.Name, "--network-namespace-path="+l.namespaceFile(n.Name))
	if n.Mount != "" {
		args = append(args, "--bind="+l.path(nodesDir, n.Name, brickDir)+":"+n.Mount)
	}
	cmd := exec.Command("systemd-nspawn", args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = environment, console, console
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true, UseCgroupFD: true, CgroupFD: int(g.Fd())}
	return cmd, cmd.Start()
}

// Console is all that a node has printed, from its first boot on.
func (l *Lab) Console(name string) (string, error) {
	text, err := os.ReadFile(l.path(nodesDir, name, "console.log"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return string(text), err
}

// lastLines are the end of a node's console.
func (l *Lab) lastLines(name string) string {
	const keep = 20
	text, err := l.Console(name)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-keep):], "\n")
}
