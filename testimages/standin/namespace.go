package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long the run inside the namespace may take to stop when
// interrupted, before it is killed.
const grace = 20 * time.Second

// makeOutside makes the image by running this program again in a mount and a
// process namespace of its own. When that ends, in whatever way, the kernel
// kills every process left in it and undoes every mount, loop devices included;
// the working folder is removed here.
func makeOutside(ctx context.Context, r request) error {
	unlock, err := lockCache(ctx, r.cache)
	if err != nil {
		return err
	}
	defer unlock()
	work, err := os.MkdirTemp(r.cache, workPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the process
	defer runtime.UnlockOSThread()
	cmd := exec.CommandContext(ctx, self, append(os.Args[1:len(os.Args):len(os.Args)], "-work", work)...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &unix.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
	cmd.Cancel = func() error { return cmd.Process.Signal(unix.SIGTERM) }
	cmd.WaitDelay = grace
	err = cmd.Run()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return errTold
	}
	return err
}

// errTold is a failure that the run inside the namespace has told already.
var errTold = errors.New("told already")

const workPrefix = "work-"

// lockCache waits until no other run uses the folder, and removes what killed
// ones left there.
func lockCache(ctx context.Context, cache string) (unlock func(), err error) {
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for told := false; ; told = true {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		}
		if !told {
			fmt.Println("waiting for another run to end")
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, errors.New("interrupted")
		case <-time.After(time.Second):
		}
	}
	left, err := filepath.Glob(filepath.Join(cache, workPrefix+"*"))
	if err != nil {
		return nil, err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	return func() { f.Close() }, nil
}

// enterNamespace makes the mounts of this process its own.
func enterNamespace() error {
	if os.Getpid() != 1 {
		return errors.New("not in a process namespace: leave out -work")
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cannot make mounts private: %w", err)
	}
	return nil
}
