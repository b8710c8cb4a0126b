package plan

import (
	"slices"

	"berries/profiles"
)

// Pool is the folder of a node's packages. The packages step empties it.
const Pool = "/var/lib/berry/pool"

// Packages is what a node's role needs beyond its base. Which versions, and what
// comes along as dependencies, is in the lock.
type Packages struct {
	Install []string `json:"install"`
	Purge   []string `json:"purge"` // taken away where the base has it
}

// needed are the packages of a role. Which of the tunnel's a node will use depends on
// its kernel. Where one node of a role keeps a name in the DNS, all of them get ddclient,
// which nothing starts on the others: a lock knows roles, not nodes. On Debian ddclient
// 3.10 (bookworm) does not bring what it needs to speak HTTPS.
func needed(c *profiles.Cluster, role profiles.Role) []string {
	list := ofRole(role)
	if slices.ContainsFunc(c.Nodes, func(n profiles.Node) bool { return n.Role == role && n.DDNS != nil }) {
		list = append(list, "ddclient", "libio-socket-ssl-perl")
	}
	if c.Tunnel != nil {
		list = append(list, "wireguard-go", "wireguard-tools")
	}
	return list
}

// ofRole are the packages that each role always has. On Debian glusterfs-server brings
// neither rsync nor sshd, which geo-replication uses, and apache2 not what it knows an
// authority by.
func ofRole(role profiles.Role) []string {
	if role == profiles.Balancer {
		return []string{"apache2", "ca-certificates", "openssh-server"}
	}
	return []string{"apache2", "attr", "glusterfs-client", "glusterfs-server", "openssh-server", "rsync"}
}

// desktop is what makes a Raspberry Pi OS a desktop system: its X11 and Wayland
// parts, on which all else of it depends. Python stays, since GlusterFS is partly
// written in it.
var desktop = []string{
	"chromium", "firefox", "labwc", "lightdm", "lxde", "midori", "raspberrypi-ui-mods",
	"rpd-wayland-core", "rpd-x-core", "wayfire", "x11-common", "xserver-xorg-core",
}

// packages plans those of one role.
func packages(c *profiles.Cluster, role profiles.Role) Packages {
	return Packages{needed(c, role), desktop}
}

// roles are the packages of every role that the cluster has.
func roles(c *profiles.Cluster) map[string][]string {
	list := map[string][]string{}
	for _, n := range c.Nodes {
		list[string(n.Role)] = needed(c, n.Role)
	}
	return list
}
