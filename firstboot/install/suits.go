package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// oldest is the first release of Debian that has what a node needs.
const oldest = 12

// suits refuses a machine that cannot be, or should not become, the node.
func suits(h *host.Host, f node.File) error {
	if f.Role != node.Balancer {
		return fmt.Errorf("%s is a %s node, which needs a card with a partition of its own: flash its image", f.Name, f.Role)
	}
	for _, look := range []func(*host.Host) error{debian, booted, unused} {
		if err := look(h); err != nil {
			return err
		}
	}
	return sameNode(h, f)
}

// debian wants a release of Debian that is new enough (os-release(5)).
func debian(h *host.Host) error {
	text, err := h.Files.Read("/etc/os-release")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	about := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		about[key] = strings.Trim(value, `"'`)
	}
	version, err := strconv.Atoi(about["VERSION_ID"])
	if about["ID"] != "debian" || err != nil || version < oldest {
		name := about["PRETTY_NAME"]
		if name == "" {
			name = "unknown to us"
		}
		return fmt.Errorf("this system is %s, and has to be Debian %d or newer: have the server installed with it", name, oldest)
	}
	return nil
}

// booted wants systemd (sd_booted(3)).
func booted(h *host.Host) error {
	if !h.Files.Exists("/run/systemd/system") {
		return errors.New("systemd does not run here, and berry-firstboot is started by it")
	}
	return nil
}

// unused refuses a server that serves sites of its owner: Apache gets one site and its
// port, and those would be gone.
func unused(h *host.Host) error {
	const sites = "/etc/apache2/sites-enabled"
	names, err := h.Files.List(sites)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.Contains([]string{"000-default.conf", "berry.conf"}, name) {
			return fmt.Errorf("this server serves a site of yours, %s/%s, whose port the balancer needs; take another server, or type: a2dissite %s",
				sites, name, strings.TrimSuffix(name, ".conf"))
		}
	}
	return nil
}

// sameNode refuses a machine that is another node already.
func sameNode(h *host.Host, f node.File) error {
	data, err := h.Files.Read(node.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var is struct{ Cluster, Name, ID string } // of any version
	if err := json.Unmarshal(data, &is); err != nil || is.ID != f.ID || is.Name != f.Name {
		return fmt.Errorf("this server is the node %s of the cluster %s (%s) already, not %s of %s (%s); if it should be that no more, type: rm %s",
			is.Name, is.Cluster, is.ID, f.Name, f.Cluster, f.ID, node.Path)
	}
	return nil
}

// packages installs those that are missing, from where the server gets its packages.
func packages(ctx context.Context, h *host.Host, names []string, say func(string)) error {
	// It exits with 1 where it does not know one of them, and lists the others.
	res, err := h.Runner.Run(ctx, host.Command("dpkg-query", append([]string{"--show", "--showformat=${Package} ${db:Status-Status}\n"}, names...)...))
	if err != nil && host.ExitCode(err) != 1 {
		return err
	}
	installed := strings.Split(string(res.Stdout), "\n")
	missing := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(installed, name+" installed") })
	if len(missing) == 0 {
		return nil
	}
	say("installing " + strings.Join(missing, " "))
	apt := func(args ...string) host.Cmd {
		cmd := host.Command("apt-get", append([]string{"-q", "-o", "DPkg::Lock::Timeout=600"}, args...)...)
		cmd.Env = []string{"DEBIAN_FRONTEND=noninteractive"}
		return cmd
	}
	for _, cmd := range []host.Cmd{apt("update"), apt(append([]string{"--yes", "--no-install-recommends", "install"}, missing...)...)} {
		if _, err := h.Runner.Run(ctx, cmd); err != nil {
			return fmt.Errorf("cannot install packages: %w", err)
		}
	}
	return nil
}
