package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"berries/firstboot/host"
)

// aptDir is where apt works for us. It is in /run: a new boot makes it anew, and
// the machine's own sources, lists and caches stay as they are.
const (
	aptDir  = "/run/berry-packages"
	aptConf = aptDir + "/apt.conf"
)

// The first PATH of maintainer scripts.
const scriptPath = aptDir + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// config is apt's configuration. It is read after the machine's own, whose hooks
// (such as apt-listchanges or needrestart, which would restart services) do not
// run. dpkg's records and apt's marks stay where they always are.
const config = `#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Options;
APT::Install-Recommends "false";
APT::Install-Suggests "false";
APT::Get::Assume-Yes "true";
APT::Sandbox::User "root";
Acquire::Languages { "none"; };
Dir::Etc::sourcelist "` + aptDir + `/sources.list";
Dir::Etc::sourceparts "` + aptDir + `/none";
Dir::Etc::preferences "` + aptDir + `/none/preferences";
Dir::Etc::preferencesparts "` + aptDir + `/none";
Dir::State::lists "` + aptDir + `/lists";
Dir::Cache "` + aptDir + `/cache";
DPkg::Path "` + scriptPath + `";
DPkg::Options { "--force-confdef"; "--force-confold"; };
DPkg::Use-Pty "false";
`

// updateInitramfs stands before the real one in the PATH of maintainer scripts:
// xfsprogs has the initial RAM disk made anew, which takes minutes on a Pi, although
// nothing that we install is needed to boot; and on a Pi it is written to FAT,
// where a cut would leave a part of it. A new one for a new kernel is made.
const updateInitramfs = `#!/bin/sh
for word; do
	[ "$word" = -u ] && exit 0
done
exec /usr/sbin/update-initramfs "$@"
`

// systemctl stands there, too: every package with a service has systemd read all units
// anew, a dozen times in all, and on a small board that is a third of the whole time. It
// does so once, at the end (release); until then nothing of it is started.
const systemctl = `#!/bin/sh
for word; do
	[ "$word" = daemon-reload ] && exit 0
done
exec /usr/bin/systemctl "$@"
`

// prepare makes aptDir.
func (in installer) prepare() error {
	for _, dir := range []string{"bin", "cache/archives/partial", "lists/partial", "none"} {
		if err := in.h.Files.Mkdir(aptDir+"/"+dir, 0o755); err != nil {
			return err
		}
	}
	for _, f := range []struct {
		name, text string
		mode       fs.FileMode
	}{
		{aptConf, config, 0o644},
		{aptDir + "/sources.list", "deb [trusted=yes] file:" + in.p.Pool + " ./\n", 0o644},
		{aptDir + "/bin/update-initramfs", updateInitramfs, 0o755},
		{aptDir + "/bin/systemctl", systemctl, 0o755},
	} {
		if err := in.h.Files.Replace(f.name, []byte(f.text), f.mode); err != nil {
			return err
		}
	}
	return nil
}

// delay has ext4 choose the place of new data late, as it normally does, or at
// once. What is written late may be on the card seconds after the file's name and
// dpkg's word that the package is installed; a cut then leaves an empty file,
// which no later run makes anew: an SSH host key, a file in /etc. Written at once
// it is there before them (ext4(5), delalloc and data=ordered). The next boot
// takes back what a cut leaves.
//
// What waits for its place is written before: of a block that gets it after the
// change, ext4 does not count that its file has it (e2fsck: "i_blocks is 0, should be
// 8"; seen with Linux 6.12). Between the two another program may still write.
func (in installer) delay(ctx context.Context, on bool) error {
	root, found, err := in.h.MountAt("/")
	if err != nil || !found || root.Type != "ext4" {
		return err
	}
	option := "remount,nodelalloc"
	if on {
		option = "remount,delalloc"
	} else if err := in.run(ctx, host.Command("sync", "--file-system", "/")); err != nil {
		return err
	}
	return in.run(ctx, host.Command("mount", "-o", option, "/"))
}

// install finishes what an interrupted run has begun, repairs what it has broken,
// and brings every package to its version: those that the base has in an older one
// are upgraded too. Nothing may be removed for that. The packages torn have to be
// unpacked again.
func (in installer) install(ctx context.Context, torn []string) error {
	return in.quietly(ctx, func() error {
		// It fails where a dependency is yet to be unpacked. Where it fails for
		// another reason, apt-get will too, and tell.
		if err := in.configure(ctx); err != nil && ctx.Err() != nil {
			return err
		}
		if err := in.unpack(ctx, torn); err != nil {
			return err
		}
		for _, args := range [][]string{
			{"update"},
			{"--fix-broken", "--no-remove", "install"},
			append([]string{"--no-remove", "dist-upgrade"}, in.p.Install...),
		} {
			if err := in.run(ctx, aptGet(args...)); err != nil {
				return fmt.Errorf("cannot install from %s: %w", in.p.Pool, err)
			}
		}
		return nil
	})
}

// configure finishes packages that are unpacked.
func (in installer) configure(ctx context.Context) error {
	return in.dpkg(ctx, "--configure", "--pending")
}

// unpack unpacks packages of the pool again. A cut after dpkg has unpacked a package,
// while it removes what it had set aside, leaves one that it refuses to configure
// ("you should reinstall it before attempting configuration"); apt-get does not see
// that and only has it configured, for ever (apt 3.0 and dpkg 1.22). One that is not
// in the pool is left to apt-get, which tells.
func (in installer) unpack(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return nil
	}
	pool, err := in.h.Files.List(in.p.Pool)
	if err != nil {
		return err
	}
	for _, file := range pool {
		name, _, found := strings.Cut(file, "_")
		if !found || !strings.HasSuffix(file, ".deb") || !slices.Contains(names, name) {
			continue
		}
		if err := in.dpkg(ctx, "--unpack", in.p.Pool+"/"+file); err != nil {
			return fmt.Errorf("cannot unpack %s again: %w", name, err)
		}
	}
	return nil
}

// dpkg runs dpkg as apt-get would.
func (in installer) dpkg(ctx context.Context, args ...string) error {
	cmd := host.Command("dpkg", append([]string{"--force-confdef", "--force-confold"}, args...)...)
	cmd.Env = []string{"PATH=" + scriptPath}
	return in.run(ctx, cmd)
}

// purge takes packages away, and with them those that need them, unless one of
// ours does. What a purge that was cut has left in dpkg's journal is finished
// first: apt-get does nothing before.
func (in installer) purge(ctx context.Context, names []string) error {
	return in.quietly(ctx, func() error {
		if err := in.configure(ctx); err != nil && ctx.Err() != nil {
			return err
		}
		res, err := in.h.Runner.Run(ctx, aptGet(append([]string{"--simulate", "purge"}, names...)...))
		if err != nil {
			return fmt.Errorf("cannot take away %s: %w", few(names), err)
		}
		for line := range strings.Lines(string(res.Stdout)) {
			verb, rest, _ := strings.Cut(line, " ")
			name, _, _ := strings.Cut(rest, " ")
			name, _, _ = strings.Cut(name, ":")
			if (verb == "Purg" || verb == "Remv") && in.isOurs(name) {
				return fmt.Errorf("taking away %s would take %s away with it; take it out of the packages to purge and build the image again",
					few(names), name)
			}
		}
		if err := in.run(ctx, aptGet(append([]string{"purge"}, names...)...)); err != nil {
			return fmt.Errorf("cannot take away %s: %w", few(names), err)
		}
		return nil
	})
}

// isOurs tells whether a package must be there.
func (in installer) isOurs(name string) bool {
	return slices.Contains(in.p.Install, name) || slices.Contains(in.names(), name)
}

// finish marks the packages, disables their services, brings everything to the
// card and lets the pool vanish.
func (in installer) finish(ctx context.Context) error {
	for _, prepare := range []func() error{in.prepare, in.holdServices} {
		if err := prepare(); err != nil {
			return err
		}
	}
	last := []host.Cmd{aptMark("manual", in.p.Install)}
	if rest := in.dependencies(); len(rest) > 0 {
		last = append(last, aptMark("auto", rest))
	}
	last = append(last, host.Command(generator), host.Command("sync"))
	for _, cmd := range last {
		if err := in.run(ctx, cmd); err != nil {
			return fmt.Errorf("cannot finish the installation: %w", err)
		}
	}
	for _, do := range []func() error{
		func() error { return in.delay(ctx, true) },
		func() error { return in.h.Files.Remove(in.gone()) },
		func() error { return in.h.Files.Rename(in.p.Pool, in.gone()) },
		func() error { return in.h.Files.Remove(in.gone()) },
		func() error { return in.release(ctx) },
		func() error { return in.h.Files.Remove(aptDir) },
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// dependencies are the packages that the pool brings without being asked for.
func (in installer) dependencies() []string {
	return slices.DeleteFunc(in.names(), func(name string) bool { return slices.Contains(in.p.Install, name) })
}

// names lists what the pool brings.
func (in installer) names() []string {
	var names []string
	for _, p := range in.p.Versions {
		names = append(names, p.Name)
	}
	return names
}

func aptGet(args ...string) host.Cmd {
	return host.Command("apt-get", append([]string{"-q", "-c", aptConf}, args...)...)
}

func aptMark(mark string, names []string) host.Cmd {
	return host.Command("apt-mark", append([]string{"-c", aptConf, mark}, names...)...)
}

// noQuestions keeps maintainer scripts from asking.
var noQuestions = []string{"DEBIAN_FRONTEND=noninteractive", "DEBCONF_NONINTERACTIVE_SEEN=true", "UCF_FORCE_CONFFOLD=1"}

// run runs a command of dpkg's family, as soon as no other of them is at work.
func (in installer) run(ctx context.Context, cmd host.Cmd) error {
	cmd.Env = append(cmd.Env, noQuestions...)
	for {
		_, err := in.h.Runner.Run(ctx, cmd)
		ce, failed := errors.AsType[*host.CommandError](err)
		switch {
		case failed && saysOne(ce.Output, "locked by another process", "Could not get lock"):
			in.say("waiting for another program that installs packages")
		case failed && saysOne(ce.Output, "No space left on device", "enough free space"):
			return fmt.Errorf("the root filesystem is full; write a larger root_size into the profile and build the image again: %w", err)
		default:
			return err
		}
		if err := in.h.Clock.Sleep(ctx, 5*time.Second); err != nil {
			return err
		}
	}
}

// saysOne tells whether a text has one of the parts in it.
func saysOne(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}
