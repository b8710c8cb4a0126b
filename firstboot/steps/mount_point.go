package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
)

// bare compares the mount point with what it should be while nothing is mounted on
// it.
func (m mount) bare(ctx context.Context) ([]difference, error) {
	if !m.h.Files.Exists(m.point) {
		return []difference{{
			what:  "there is no directory " + m.point,
			doing: "making " + m.point,
			mend:  func(context.Context) error { return m.h.Files.Mkdir(m.point, 0o755) },
		}}, nil
	}
	names, err := m.h.Files.List(m.point)
	if err != nil {
		return nil, err
	}
	if len(names) > 0 {
		return nil, fmt.Errorf("%s is to be mounted on, but holds %s; type: chattr -i %s; mv %s %s.before",
			m.point, few(names), m.point, m.point, m.point)
	}
	return m.immutable(ctx)
}

// immutable looks whether anybody may write into the bare mount point.
func (m mount) immutable(ctx context.Context) ([]difference, error) {
	may, err := mayFreeze(m.h)
	if err != nil || !may {
		return nil, err
	}
	res, err := m.h.Runner.Run(ctx, host.Command("lsattr", "-d", m.point))
	ce, failed := errors.AsType[*host.CommandError](err)
	if failed && saysOne(ce.Output, "Operation not supported", "Inappropriate ioctl") {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot look at %s: %w", m.point, err)
	}
	attributes, _, _ := strings.Cut(string(res.Stdout), " ")
	if strings.Contains(attributes, "i") {
		return nil, nil
	}
	return []difference{{
		what:  m.point + " can be written to while nothing is mounted on it",
		doing: "making " + m.point + " immutable",
		mend: func(ctx context.Context) error {
			if _, err := m.h.Runner.Run(ctx, host.Command("chattr", "+i", m.point)); err != nil {
				return fmt.Errorf("cannot make %s immutable: %w", m.point, err)
			}
			return nil
		},
	}}, nil
}

// mayFreeze tells whether this program may make files immutable: capability 9 of
// capabilities(7), as proc(5) shows those in effect.
func mayFreeze(h *host.Host) (bool, error) {
	const file, linuxImmutable = "/proc/self/status", 9
	text, err := h.Files.Read(file)
	if err != nil {
		return false, err
	}
	lines := slices.Collect(strings.Lines(string(text)))
	i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, "CapEff:") })
	var set uint64
	if i < 0 {
		return false, fmt.Errorf("%s does not say which capabilities are in effect", file)
	}
	if _, err := fmt.Sscanf(lines[i], "CapEff: %x", &set); err != nil {
		return false, fmt.Errorf("%s: %q: %w", file, lines[i], err)
	}
	return set>>linuxImmutable&1 == 1, nil
}
