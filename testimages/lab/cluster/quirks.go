package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// masked are the units of an image that cannot work in a container, with the
// reason. All others must.
var masked = map[string]string{
	"systemd-remount-fs.service": "it looks for the card's partition 2 of fstab to mount it for writing, and there is no card",
}

// mask lays the masks into a node's files.
func mask(root string) error {
	for unit := range masked {
		if err := maskUnit(root, unit); err != nil {
			return err
		}
	}
	return nil
}

// maskUnit does what `systemctl mask` does.
func maskUnit(root, unit string) error {
	dir := filepath.Join(root, "etc/systemd/system")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.Symlink("/dev/null", filepath.Join(dir, unit))
}

// Mask has units of a node that is off not start, or when none is named nothing but
// gives it its card, flashed with its image, where it has none yet.
func (l *Lab) Mask(ctx context.Context, name string, units ...string) error {
	n, err := l.load(name)
	if err != nil {
		return err
	}
	if err := l.flash(ctx, n); err != nil {
		return err
	}
	for _, unit := range units {
		if err := maskUnit(l.path(nodesDir, name, upperDir), unit); err != nil {
			return fmt.Errorf("cannot mask %s on %s: %w", unit, name, err)
		}
	}
	return nil
}

// settings are what systemd-nspawn is told beyond the folder and the namespace.
var settings = []string{
	"--boot", "--quiet",
	// Neither this machine's systemd nor its journal, resolver and time zone have a
	// part in it.
	"--settings=no", "--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off", "--timezone=off",
	"--capability=CAP_NET_ADMIN,CAP_IPC_LOCK", // NetworkManager; glusterd
	"--bind=/dev/fuse", "--bind=/dev/autofs",  // glusterfs mounts, mounted on demand too
	"--bind=/dev/net/tun", // the tunnel
}

// environment is what systemd-nspawn sees.
var environment = []string{
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1",
	"SYSTEMD_NSPAWN_API_VFS_WRITABLE=network", // NetworkManager sets what is in /proc/sys/net
	"SYSTEMD_NSPAWN_LOCK=0",
}
