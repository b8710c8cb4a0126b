package steps

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/status"
)

const (
	rootMount = "27 1 179:2 / / rw - ext4 /dev/root rw\n"
	wwwMount  = rootMount + "74 27 0:45 / /mnt/www rw,nosuid,nodev - fuse.glusterfs localhost:/webroot rw\n"
	mayAll    = "Name:\tberry\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"
	mayLittle = "Name:\tberry\nCapEff:\t00000000a80425fb\n"
)

// unmountedNode is a node whose volume is to be mounted for the first time.
func unmountedNode() map[string]string {
	return map[string]string{unitDir + "/": "", "/mnt/": "", "/proc/self/mountinfo": rootMount, "/proc/self/status": mayAll}
}

// mountedNode is one with the volume mounted.
func mountedNode() map[string]string {
	f := unmountedNode()
	f[unitDir+"/mnt-www.mount"] = mountOf(nil, pi(1)).unitText()
	f["/proc/self/mountinfo"] = wwwMount
	f["/mnt/www/"] = ""
	return f
}

var (
	reads   = hosttest.Exchange{Cmd: "cat /mnt/www/.berry/health", Stdout: "berries webroot\n"}
	misses  = hosttest.Exchange{Cmd: reads.Cmd, Fails: "cat: /mnt/www/.berry/health: No such file or directory"}
	isDead  = hosttest.Exchange{Cmd: reads.Cmd, Fails: "cat: /mnt/www/.berry/health: Transport endpoint is not connected"}
	bare    = hosttest.Exchange{Cmd: "lsattr -d /mnt/www", Stdout: "--------------e------- /mnt/www\n"}
	frozen  = hosttest.Exchange{Cmd: "lsattr -d /mnt/www", Stdout: "----i---------e------- /mnt/www\n"}
	freezes = ran("chattr +i /mnt/www")
)

// mounts has the mount unit work from the nth time it is started or restarted.
func mounts(h *hosttest.Host, nth int) {
	h.Units.Then = func(asked string) error {
		if !strings.HasSuffix(asked, "start mnt-www.mount") {
			return nil
		}
		if nth--; nth > 0 {
			return errors.New(`cannot start mnt-www.mount: systemd says "failed"`)
		}
		h.Write("/proc/self/mountinfo", wwwMount)
		return nil
	}
}

func TestMountIsMadeOnAnImmutableDirectoryAndTriedUntilItWorks(t *testing.T) {
	h := hosttest.New(t, unmountedNode(), script(bare, freezes, frozen, frozen, frozen, misses, reads, reads)...)
	mounts(h, 3)
	end, said := told(t, h.Host, pi(1), Mount{})
	same(t, "end", status.Step{Name: "mount", State: status.Done}, end)
	same(t, "said", []string{
		"writing /etc/systemd/system/mnt-www.mount",
		"making /mnt/www",
		"making /mnt/www immutable",
		"mounting volume webroot",
		`mounting volume webroot, again and again: cannot start mnt-www.mount: systemd says "failed"`,
		"mounting volume webroot",
		`mounting volume webroot, again and again: cannot start mnt-www.mount: systemd says "failed"`,
		"mounting volume webroot",
		"writing /mnt/www/.berry/health",
	}, said)
	same(t, "asked of systemd", []string{"reload", "start mnt-www.mount", "start mnt-www.mount", "start mnt-www.mount"}, h.Units.Asked)
	same(t, "health file", "berries webroot\n", h.Read("/mnt/www/.berry/health"))
	same(t, "unit", `# Written by berry-firstboot, which takes changes back.
[Unit]
Description=Volume webroot
# Not after network-online.target, as systemd would have it: an interface that no
# cable is in can hold that up for minutes, and glusterd runs already.
DefaultDependencies=no
Conflicts=umount.target
After=network.target glusterd.service
Before=umount.target apache2.service
# It is tried until it works.
StartLimitIntervalSec=0

[Mount]
What=localhost:/webroot
Where=/mnt/www
Type=glusterfs
Options=nosuid,nodev,log-level=WARNING,backup-volfile-servers=cluster02:cluster03
TimeoutSec=60
`, h.Read(unitDir+"/mnt-www.mount"))
}

func TestMountOfAPoolOfOneHasNoOtherServers(t *testing.T) {
	f := pi(1)
	f.Gluster.Members = f.Gluster.Members[:1]
	if text := mountOf(nil, f).unitText(); strings.Contains(text, "backup-volfile-servers") {
		t.Error(text)
	}
}

func TestMountHolds(t *testing.T) {
	h := hosttest.New(t, mountedNode(), reads)
	end, _ := told(t, h.Host, pi(1), Mount{})
	same(t, "end", status.Step{Name: "mount", State: status.AlreadyDone}, end)
}

func TestMountMends(t *testing.T) {
	umount := ran("umount --lazy /mnt/www")
	unmounts := hosttest.Exchange{Cmd: umount.Cmd}
	tests := []struct {
		name  string
		files func(map[string]string)
		cmds  func(h **hosttest.Host) []hosttest.Exchange
		units []string
	}{
		{"a mount that is lost", func(f map[string]string) { f["/proc/self/mountinfo"] = rootMount },
			func(**hosttest.Host) []hosttest.Exchange { return script(frozen, frozen, reads, reads) },
			[]string{"start mnt-www.mount"}},
		{"a mount whose client has died", nil, func(h **hosttest.Host) []hosttest.Exchange {
			unmounts.Then = func() { (*h).Write("/proc/self/mountinfo", rootMount) }
			return script(isDead, isDead, unmounts, reads, reads)
		}, []string{"restart mnt-www.mount"}},
		{"a volume without the health file", nil,
			func(**hosttest.Host) []hosttest.Exchange { return script(misses, misses, reads, reads) }, nil},
		{"a health file that a cut has emptied", nil, func(**hosttest.Host) []hosttest.Exchange {
			empty := hosttest.Exchange{Cmd: reads.Cmd}
			return script(empty, empty, reads, reads)
		}, nil},
		{"a unit of an earlier version", func(f map[string]string) { f[unitDir+"/mnt-www.mount"] = "[Mount]\n" },
			func(**hosttest.Host) []hosttest.Exchange { return script(reads, reads) }, []string{"reload"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := mountedNode()
			if tt.files != nil {
				tt.files(files)
			}
			var h *hosttest.Host
			cmds := tt.cmds(&h)
			h = hosttest.New(t, files, cmds...)
			mounts(h, 1)
			end, _ := told(t, h.Host, pi(1), Mount{})
			same(t, "end", status.Step{Name: "mount", State: status.Done}, end)
			same(t, "asked of systemd", tt.units, h.Units.Asked)
		})
	}
}

// hung is a runner on which reading the health file takes longer than it may.
type hung struct{ host.Runner }

func (r hung) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if cmd.Name != "cat" {
		return r.Runner.Run(ctx, cmd)
	}
	if deadline, limited := ctx.Deadline(); !limited || time.Until(deadline) > mountAnswers {
		return host.Result{}, errors.New("it may take for ever")
	}
	return host.Result{}, &host.CommandError{Cmd: cmd.String(), ExitCode: -1, Err: errSlow}
}

func TestMountThatHangsDoesNotAnswer(t *testing.T) {
	h := hosttest.New(t, mountedNode())
	h.Host.Runner = hung{h.Runner}
	state, err := Mount{}.Look(t.Context(), h.Host, pi(1))
	if err != nil || state.String() != "/mnt/www does not answer" {
		t.Errorf("got %q, %v", state, err)
	}
}

func TestMountDoesWithoutAnImmutableDirectory(t *testing.T) {
	const want = "nothing is mounted at /mnt/www"
	tests := []struct {
		name, may string
		cmds      []hosttest.Exchange
	}{
		{"where it may not", mayLittle, nil},
		{"on a filesystem without attributes", mayAll, script(hosttest.Exchange{Cmd: bare.Cmd,
			Fails: "lsattr: Operation not supported While reading flags on /mnt/www"})},
		{"on one that does not know the question", mayAll, script(hosttest.Exchange{Cmd: bare.Cmd,
			Fails: "lsattr: Inappropriate ioctl for device While reading flags on /mnt/www"})},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := mountedNode()
			files["/proc/self/mountinfo"] = rootMount
			files["/proc/self/status"] = tt.may
			state, err := Mount{}.Look(t.Context(), hosttest.New(t, files, tt.cmds...).Host, pi(1))
			if err != nil || state.String() != want {
				t.Errorf("got %q, %v, want %q", state, err, want)
			}
		})
	}
}

func TestMountRefuses(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		cmds  []hosttest.Exchange
		want  string
	}{
		{"another filesystem there", map[string]string{"/proc/self/mountinfo": rootMount + "9 27 8:1 / /mnt/www rw - ext4 /dev/sda1 rw\n"}, nil,
			"/mnt/www has /dev/sda1 (ext4) mounted, not volume webroot; type: umount /mnt/www"},
		{"files in the way", map[string]string{"/proc/self/mountinfo": rootMount, "/mnt/www/index.html": "", "/mnt/www/a": ""}, nil,
			"/mnt/www is to be mounted on, but holds a, index.html; type: chattr -i /mnt/www; mv /mnt/www /mnt/www.before"},
		{"a volume that cannot be read", nil, script(hosttest.Exchange{Cmd: reads.Cmd, Fails: "cat: health: Input/output error"}),
			"cannot read volume webroot: cat /mnt/www/.berry/health: exit status 1: cat: health: Input/output error"},
		{"a kernel that does not tell its capabilities", map[string]string{"/proc/self/mountinfo": rootMount, "/proc/self/status": "Name: x\n"}, nil,
			"/proc/self/status does not say which capabilities are in effect"},
		{"a directory that cannot be looked at", map[string]string{"/proc/self/mountinfo": rootMount},
			script(hosttest.Exchange{Cmd: bare.Cmd, Fails: "lsattr: Input/output error"}),
			"cannot look at /mnt/www: lsattr -d /mnt/www: exit status 1: lsattr: Input/output error"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := mountedNode()
			for name, content := range tt.files {
				files[name] = content
			}
			end, _ := told(t, hosttest.New(t, files, tt.cmds...).Host, pi(1), Mount{})
			same(t, "end", status.Step{Name: "mount", State: status.Failed, Error: tt.want}, end)
		})
	}
}

func TestMountSaysWhatItCannotDo(t *testing.T) {
	files := mountedNode()
	files["/proc/self/mountinfo"] = rootMount
	h := hosttest.New(t, files, bare, bare, hosttest.Exchange{Cmd: freezes.Cmd, Fails: "chattr: Operation not permitted"})
	end, _ := told(t, h.Host, pi(1), Mount{})
	same(t, "a directory that stays as it is", status.Step{Name: "mount", State: status.Failed,
		Error: "cannot make /mnt/www immutable: chattr +i /mnt/www: exit status 1: chattr: Operation not permitted"}, end)

	h = hosttest.New(t, mountedNode(), isDead, isDead, hosttest.Exchange{Cmd: "umount --lazy /mnt/www", Fails: "umount: it sticks"})
	end, _ = told(t, h.Host, pi(1), Mount{})
	same(t, "a mount that stays", status.Step{Name: "mount", State: status.Failed,
		Error: "cannot unmount /mnt/www: umount --lazy /mnt/www: exit status 1: umount: it sticks"}, end)
}
