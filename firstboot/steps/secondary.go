package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Secondary makes the remote node one that geo-replication can send its copy to.
//
// It needs glusterd, sshd and the volume. It leaves an account without privileges and
// without a password, whose group may read the node's key, since gluster proves itself to
// glusterd with it; glusterd's mountbroker, which mounts the volume for that account; and
// sshd letting the storage nodes in as that account, each with its two keys. A key opens
// nothing but berry-firstboot gsync: no shell, no terminal, no forwarding.
//
// Nothing that the account logs in with is the account's: its keys lie with root, and
// it has no home.
//
// The volume can be written to by geo-replication alone (see Volume), and nobody is
// served before all of it is there (see Web).
type Secondary struct{}

// Name implements Step.
func (Secondary) Name() string { return "secondary" }

// Look implements Step.
func (Secondary) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := secondary{h, f, *f.Secondary}.differences(ctx)
	return stateOf(list), err
}

// Act implements Step.
func (Secondary) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return secondary{h, f, *f.Secondary}.differences(ctx) })
}

// secondary does the work of the step.
type secondary struct {
	h *host.Host
	f node.File
	s node.Secondary
}

// Files of sshd's.
const (
	sshd       = "ssh.service"
	sshdDropIn = "/etc/ssh/sshd_config.d/60-berry.conf"
	// geoKeys are the keys that are let in. sshd wants every folder above to be root's.
	geoKeys = "/etc/ssh/berry_authorized_keys"
)

func (s secondary) differences(ctx context.Context) ([]difference, error) {
	for _, look := range []func(context.Context) ([]difference, error){
		s.account, s.mountRoot, s.broker, s.keyOpen, s.gsyncd, s.letIn, s.listening,
	} {
		if list, err := look(ctx); err != nil || len(list) > 0 {
			return list, err
		}
	}
	return nil, nil
}

// account looks for the account and its group in passwd(5) and group(5).
func (s secondary) account(context.Context) ([]difference, error) {
	var list []difference
	for _, a := range []struct {
		file, name, what string
		make             host.Cmd
	}{
		{"/etc/group", s.s.Group, "group", host.Command("groupadd", "--system", s.s.Group)},
		{"/etc/passwd", s.s.User, "account", host.Command("useradd", "--system", "--gid", s.s.Group, "--no-create-home", "--home-dir", "/",
			"--shell", "/bin/sh", s.s.User)},
	} {
		text, err := s.h.Files.Read(a.file)
		if err != nil {
			return nil, err
		}
		if !strings.Contains("\n"+string(text), "\n"+a.name+":") {
			list = append(list, difference{
				what:  fmt.Sprintf("there is no %s %s", a.what, a.name),
				doing: fmt.Sprintf("making the %s %s", a.what, a.name),
				mend:  func(ctx context.Context) error { _, err := s.h.Runner.Run(ctx, a.make); return err },
			})
		}
	}
	return list, nil
}

// mountRootMode is the one mode with which glusterd takes the folder.
const mountRootMode = 0o711

// mountRoot looks for the folder below which glusterd mounts.
func (s secondary) mountRoot(context.Context) ([]difference, error) {
	info, err := s.h.Files.Stat(s.s.Root)
	if err == nil && info.IsDir() && info.Mode().Perm() == mountRootMode || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return []difference{{
		what:  fmt.Sprintf("%s is not there, or has not mode %04o", s.s.Root, mountRootMode),
		doing: "making " + s.s.Root,
		mend: func(ctx context.Context) error {
			if err := s.h.Files.Mkdir(s.s.Root, mountRootMode); err != nil {
				return err
			}
			_, err := s.h.Runner.Run(ctx, host.Command("chmod", fmt.Sprintf("%04o", mountRootMode), s.s.Root))
			return err
		},
	}}, nil
}

// broker compares glusterd's configuration with the options that have it mount for the
// account. gluster-mountbroker would set the same, and drop the file's comments.
func (s secondary) broker(context.Context) ([]difference, error) {
	list, err := file(s.h, glusterdConf, func(text string) string {
		for _, o := range []gluster.Option{
			{Name: "mountbroker-root", Value: s.s.Root},
			{Name: "mountbroker-geo-replication." + s.s.User, Value: s.f.Gluster.Volume},
			{Name: "geo-replication-log-group", Value: s.s.Group},
		} {
			text = withOption(text, o)
		}
		return text
	})
	for i, d := range list {
		list[i].mend = func(ctx context.Context) error {
			// What runs has read the old file. It is stopped first, so that a cut leaves
			// none that runs with it.
			if err := s.h.Units.Stop(ctx, glusterd); err != nil {
				return err
			}
			if err := d.mend(ctx); err != nil {
				return err
			}
			return s.h.Units.Start(ctx, glusterd)
		}
	}
	return list, err
}

// keyOpen looks whether the account's group may read what proves this node.
func (s secondary) keyOpen(ctx context.Context) ([]difference, error) {
	dir := path.Dir(node.KeyPath)
	open := []struct{ name, mode string }{{dir, "750"}, {node.KeyPath, "640"}, {node.CertPath, "640"}, {node.CAPath, "640"}}
	var names, want []string
	for _, o := range open {
		names = append(names, o.name)
		want = append(want, o.mode+" root:"+s.s.Group)
	}
	res, err := s.h.Runner.Run(ctx, host.Command("stat", append([]string{"--format=%a %U:%G"}, names...)...))
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(string(res.Stdout)) == strings.Join(want, "\n") {
		return nil, nil
	}
	return []difference{{
		what:  fmt.Sprintf("the group %s may not read what proves this node to glusterd", s.s.Group),
		doing: "letting the group " + s.s.Group + " read " + node.KeyPath,
		mend: func(ctx context.Context) error {
			for _, o := range open {
				for _, cmd := range []host.Cmd{host.Command("chgrp", s.s.Group, o.name), host.Command("chmod", "0"+o.mode, o.name)} {
					if _, err := s.h.Runner.Run(ctx, cmd); err != nil {
						return err
					}
				}
			}
			return nil
		},
	}}, nil
}

// gsyncd compares gsyncd's configuration.
func (s secondary) gsyncd(context.Context) ([]difference, error) {
	return file(s.h, georep.ConfPath, func(string) string { return georep.Conf })
}

// letIn compares what sshd is told of the account. The list of keys comes first: sshd
// reads it whenever somebody knocks, and the other file when it starts.
func (s secondary) letIn(context.Context) ([]difference, error) {
	list, err := file(s.h, geoKeys, func(string) string { return s.keys() })
	if err != nil || len(list) > 0 {
		return list, err
	}
	list, err = file(s.h, sshdDropIn, func(string) string { return s.sshdText() })
	for i, d := range list {
		list[i].mend = func(ctx context.Context) error {
			// Stopped, it has not read the old file when a cut comes. Who is logged in stays.
			if err := s.h.Units.Stop(ctx, sshd); err != nil {
				return err
			}
			if err := d.mend(ctx); err != nil {
				return errors.Join(err, s.h.Units.Start(ctx, sshd))
			}
			err := s.h.Units.Start(ctx, sshd)
			if err != nil {
				err = errors.Join(fmt.Errorf("sshd does not take %s: %w", sshdDropIn, err), s.h.Files.Remove(sshdDropIn), s.h.Units.Start(ctx, sshd))
			}
			return err
		}
	}
	return list, err
}

// keys are a line in authorized_keys for each key, with the one thing that it opens.
func (s secondary) keys() string {
	var b strings.Builder
	fmt.Fprintln(&b, oursMark)
	for _, p := range s.s.Primaries {
		for _, k := range []struct {
			door georep.Door
			key  string
		}{{georep.SessionDoor, p.Key}, {georep.TarDoor, p.TarKey}} {
			fmt.Fprintf(&b, "restrict,command=\"%s gsync %s %s %s %s %s %s\" %s %s\n", firstbootPath, k.door, s.s.User, p.Name, s.f.Name,
				s.f.Gluster.Volume, s.f.Gluster.Mount, k.key, p.Name)
		}
	}
	return b.String()
}

// firstbootPath is where this program lies.
const firstbootPath = "/usr/lib/berry/berry-firstboot"

// sshPort is the port that sshd listens at unless it is told of others.
const sshPort = 22

func (s secondary) sshdText() string {
	ports := ""
	if s.s.Port != sshPort {
		ports = fmt.Sprintf("Port %d\nPort %d\n", sshPort, s.s.Port)
	}
	return fmt.Sprintf(`%s
%sMatch User %s
	AuthorizedKeysFile %s
	AuthenticationMethods publickey
	DisableForwarding yes
	PermitTTY no
	PermitUserRC no
	# GlusterFS has its programs where an account without privileges does not look.
	SetEnv PATH=/usr/sbin:/usr/bin:/sbin:/bin
`, oursMark, ports, s.s.User, geoKeys)
}

// listening looks whether sshd runs, now and at every boot.
func (s secondary) listening(ctx context.Context) ([]difference, error) {
	if list, err := notAtBoot(s.h, sshd, "sshd"); err != nil || len(list) > 0 {
		return list, err
	}
	return inactive(ctx, s.h, sshd, "sshd", func(ctx context.Context) error { return s.h.Units.Start(ctx, sshd) })
}
