package steps

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Identity gives the machine its name, its time zone and its language.
//
// It needs nothing but the node file. It leaves /etc/hostname and the running
// kernel's host name, the line "127.0.1.1 NAME" in /etc/hosts, the link
// /etc/localtime and /etc/timezone, and the locale, generated and in force for
// new logins. The builder has normally written the files into the image, so that
// on a first boot there is at most a locale to generate.
//
// The kernel's name is set directly: systemd-hostnamed is not on every base, and
// reads /etc/hostname again by itself where it is. A time zone or a locale that
// the base does not have is no reason to keep a cluster from forming: the link
// and the setting are made, and programs fall back to UTC and to C.
type Identity struct{}

// Name implements Step.
func (Identity) Name() string { return "identity" }

// Look implements Step.
func (Identity) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := identityDifferences(ctx, h, f)
	return stateOf(list), err
}

// Act implements Step.
func (Identity) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return identityDifferences(ctx, h, f) })
}

func identityDifferences(ctx context.Context, h *host.Host, f node.File) ([]difference, error) {
	var list []difference
	for _, look := range []func() ([]difference, error){
		func() ([]difference, error) {
			return file(h, "/etc/hostname", func(string) string { return f.Name + "\n" })
		},
		func() ([]difference, error) { return kernelName(h, f.Name) },
		func() ([]difference, error) {
			return file(h, hostsPath, func(text string) string { return withOwnName(text, f.Name) })
		},
		func() ([]difference, error) { return localtime(h, f.TimeZone) },
		func() ([]difference, error) {
			return file(h, "/etc/timezone", func(string) string { return f.TimeZone + "\n" })
		},
		func() ([]difference, error) { return generated(ctx, h, f.Locale) },
		func() ([]difference, error) { return language(h, f.Locale) },
	} {
		some, err := look()
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// file compares a text file with what want makes of it. A missing file is an
// empty one.
func file(h *host.Host, name string, want func(text string) string) ([]difference, error) {
	data, err := h.Files.Read(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && want(string(data)) == string(data) {
		return nil, nil
	}
	return []difference{{
		what:  name + " is not as this node needs it",
		doing: "writing " + name,
		mend:  func(context.Context) error { return h.Files.Edit(name, 0o644, want) },
	}}, nil
}

// private compares a file that only root may read with what it should hold.
func private(h *host.Host, name, want string) ([]difference, error) {
	return placed{name, want, node.Mode}.differences(h)
}

func kernelName(h *host.Host, name string) ([]difference, error) {
	data, err := h.Files.Read("/proc/sys/kernel/hostname")
	if err != nil {
		return nil, err
	}
	is := strings.TrimSpace(string(data))
	if is == name {
		return nil, nil
	}
	return []difference{{
		what:  fmt.Sprintf("the host name is %s, not %s", is, name),
		doing: "setting the host name",
		mend: func(context.Context) error {
			if err := h.SetHostname(name); err != nil {
				return fmt.Errorf("cannot set the host name to %s: %w", name, err)
			}
			return nil
		},
	}}, nil
}

// localtime compares the link that is the time zone (localtime(5)). tzdata
// writes it absolute and systemd relative.
func localtime(h *host.Host, zone string) ([]difference, error) {
	const link = "/etc/localtime"
	target, err := h.Files.Target(link)
	if err != nil {
		return nil, err
	}
	want := "/usr/share/zoneinfo/" + zone
	if target == want || path.Join("/etc", target) == want {
		return nil, nil
	}
	return []difference{{
		what:  "the time zone is not " + zone,
		doing: "setting the time zone",
		mend:  func(context.Context) error { return h.Files.Link(link, want) },
	}}, nil
}
