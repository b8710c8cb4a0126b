package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
)

// gsync does what a storage node has logged in for with one of its keys, where that is
// one of the things that geo-replication needs. sshd runs it, as a forced command, for
// an account without privileges.
func (env Env) gsync(ctx context.Context, rest []string) int {
	if len(rest) != 6 {
		return env.misusedOf("gsync", "gsync is for sshd alone")
	}
	g := georep.Guest{Door: georep.Door(rest[0]), User: rest[1], Primary: rest[2], Remote: rest[3], Volume: rest[4]}
	err := env.host(ctx, g, rest[5])
	if err != nil {
		env.complain(err)
	}
	return gsyncExit(err)
}

// tarSkipped is tar's exit code when some of the files could not be unpacked.
const tarSkipped = 2

// gsyncExit is what ssh at the other end ends with. By tar's own exit code gsyncd there
// knows that it is to send again what could not be unpacked, such as a file that is gone
// here since (resilient_errnos in its primary.py); after any other one it begins anew,
// with the same files, and may never get past them.
func gsyncExit(err error) int {
	ce, ran := errors.AsType[*host.CommandError](err)
	switch {
	case err == nil:
		return ok
	case ran && ce.ExitCode == tarSkipped && strings.HasPrefix(ce.Cmd, "tar "):
		return tarSkipped
	}
	return failed
}

// host gives a guest what it asks for. The volume is mounted at mount.
func (env Env) host(ctx context.Context, g georep.Guest, mount string) error {
	if env.Root {
		return errors.New("gsync is not for root")
	}
	r, err := g.Request(env.Asked)
	if err != nil {
		return err
	}
	switch r.Kind {
	case georep.Session:
		gsyncd, err := gsyncdAt(env.Host.Files)
		if err != nil {
			return err
		}
		args := append([]string{"python3", "-c", georep.Starter, gsyncd}, r.Args...)
		return env.Become("/usr/bin/python3", append(args, "-c", georep.ConfPath))
	case georep.Info:
		return env.tell(ctx, append(slices.Clone(quietly), "--xml", "volume", "info", g.Volume))
	case georep.Files:
		return env.takeFiles(ctx, r.PID)
	default:
		return env.prove(ctx, g.Volume, mount)
	}
}

// quietly has gluster ask glusterd as somebody who may not open its socket, nor write its
// log.
var quietly = []string{"--remote-host=localhost", "--log-file=/dev/null"}

// How often gluster is asked, and how long it may take. Under TLS it now and then waits two
// minutes for nothing (seen from 11.1), and gsyncd's monitor ends with it.
const (
	infoTries = 4
	infoLimit = 15 * time.Second
)

// tell passes gluster's answer on.
func (env Env) tell(ctx context.Context, args []string) (err error) {
	for range infoTries {
		bounded, cancel := context.WithTimeout(ctx, infoLimit)
		var res host.Result
		res, err = env.Host.Runner.Run(bounded, host.Command(georep.Gluster, args...))
		cancel()
		if err == nil {
			_, err = env.Stdout.Write(res.Stdout)
			return err
		}
	}
	return err
}

// gsyncdAt is where gsyncd lies: the folder is named after the architecture.
func gsyncdAt(files *host.Files) (string, error) {
	dirs, err := files.List("/usr/lib")
	if err != nil {
		return "", err
	}
	for _, dir := range dirs {
		if path := "/usr/lib/" + dir + "/glusterfs/python/syncdaemon/gsyncd.py"; strings.Contains(dir, "-linux-") && files.Exists(path) {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no gsyncd.py: %w", fs.ErrNotExist)
}

// fuse is the type of a mounted volume, as stat(1) says it.
const fuse = "65735546"

// takeFiles unpacks an archive in the working directory of a gsyncd of this account,
// which is the volume, mounted for it alone.
func (env Env) takeFiles(ctx context.Context, pid string) error {
	dir, err := host.WorkingDir(pid)
	if err != nil {
		return err
	}
	defer dir.Close()
	// By its number, so that it is the same directory for both.
	at := "/proc/self/fd/" + strconv.Itoa(int(dir.Fd()))
	res, err := env.Host.Runner.Run(ctx, host.Cmd{Name: "stat", Args: []string{"--file-system", "--format=%t", "."}, Dir: at})
	if err != nil {
		return err
	}
	if is := strings.TrimSpace(string(res.Stdout)); is != fuse {
		return fmt.Errorf("process %s does not work in a volume", pid)
	}
	_, err = env.Host.Runner.Run(ctx, host.Cmd{Name: "tar", Args: []string{"--overwrite", "-xf", "-"}, Dir: at, Stdin: georep.FilesOnly(env.Stdin)})
	return err
}

// proveLimit is how long what a proof needs may take.
const proveLimit = 15 * time.Second

// prove says what has arrived in the volume.
func (env Env) prove(ctx context.Context, volume, mount string) error {
	ctx, cancel := context.WithTimeout(ctx, proveLimit)
	defer cancel()
	info, err := gluster.Client{Runner: env.Host.Runner, Options: quietly}.VolumeInfo(ctx, volume)
	if err != nil {
		return err
	}
	p := georep.Proof{Volume: info.ID, Whole: env.Host.Files.Exists(mount + "/" + georep.WholeFile(info.ID))}
	text, err := env.Host.Files.Read(mount + "/" + georep.SentinelFile)
	// A file has its name before it has its mode and its content.
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	p.Sentinel = georep.ParseSentinel(text)
	res, err := env.Host.Runner.Run(ctx, host.Command("df", "--block-size=1", "--output=used,avail,iused", mount))
	if err != nil {
		return err
	}
	_, figures, _ := strings.Cut(string(res.Stdout), "\n")
	if _, err := fmt.Sscan(figures, &p.Used, &p.Free, &p.Files); err != nil {
		return fmt.Errorf("df says %.80q", res.Stdout)
	}
	return json.NewEncoder(env.Stdout).Encode(p)
}
