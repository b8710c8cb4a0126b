package plan

import (
	"bytes"
	"fmt"
	"strings"

	"berries/overlays"
	"berries/profiles"
)

// The files whose presence in the base decides how its network is set up.
const (
	NetworkManager = "/usr/lib/systemd/system/NetworkManager.service"
	ifupdown       = "/etc/network/interfaces"
)

// files lists what the image's root filesystem gets that needs nothing of the
// base's own files: overlays, system settings, network, the user's way in.
func files(c *profiles.Cluster, n profiles.Node, img Image) ([]File, error) {
	laid, err := overlays.Common()
	if err != nil {
		return nil, err
	}
	var list []File
	for _, f := range laid {
		list = append(list, File{Path: f.Path, Mode: f.Mode, Data: f.Data, Link: f.Link, If: f.If})
	}
	list = append(list, settings(c, n)...)
	network, err := network(c, n)
	if err != nil {
		return nil, err
	}
	list = append(list, network...)
	list = append(list, login(c)...)
	if img.Brick != nil {
		list = append(list, File{Path: img.Brick.Mount, Mode: 0o755, Dir: true}, text("/etc/sysctl.d/60-berry.conf", sysctl))
	}
	return list, nil
}

// sysctl has a connection that nobody answers fail after 15 seconds, not after two
// minutes (tcp_syn_retries in the kernel's ip-sysctl): so long glusterd would go on
// asking from an address that the node has no more, or at one that a member has left.
const sysctl = `# Written by berry.
net.ipv4.tcp_syn_retries = 3
`

// settings are host name, time zone, locale and keyboard, in the files where
// pi-gen and raspi-config put them.
func settings(c *profiles.Cluster, n profiles.Node) []File {
	keyboard := fmt.Sprintf("# Written by berry; see keyboard(5).\nXKBMODEL=%q\nXKBLAYOUT=%q\nXKBVARIANT=%q\nXKBOPTIONS=\"\"\nBACKSPACE=\"guess\"\n",
		c.Keyboard.Model, c.Keyboard.Layout, c.Keyboard.Variant)
	locale := "LANG=" + c.Locale + "\n"
	return []File{
		text("/etc/hostname", n.Name+"\n"),
		text("/etc/timezone", c.TimeZone+"\n"),
		{Path: "/etc/localtime", Link: "/usr/share/zoneinfo/" + c.TimeZone},
		// trixie keeps the locale in locale.conf and makes the old name a link.
		{Path: "/etc/locale.conf", Mode: 0o644, Data: []byte(locale), If: "/etc/locale.conf"},
		{Path: "/etc/default/locale", Mode: 0o644, Data: []byte(locale), Unless: "/etc/locale.conf"},
		text("/etc/default/keyboard", keyboard),
	}
}

// text is a world-readable file of root's.
func text(path, content string) File {
	return File{Path: path, Mode: 0o644, Data: []byte(content)}
}

// network sets up the wire, and the wireless network of nodes that join it, in
// the form that the base understands. A fixed address belongs to the wireless
// connection where there is one: the same address on two interfaces is a fault.
func network(c *profiles.Cluster, n profiles.Node) ([]File, error) {
	var static *profiles.Address
	if !n.Address.DHCP() {
		static = &n.Address
	}
	wired := static
	var list []File
	if onWiFi(c, n) {
		wired = nil
		wifi, err := connection(c, n, "wifi", static)
		if err != nil {
			return nil, err
		}
		list = append(list, wifi, File{
			// Raspberry Pi OS Lite ships with the radio switched off here.
			Path: "/var/lib/NetworkManager/NetworkManager.state", Mode: 0o644, If: NetworkManager,
			Data: []byte("[main]\nNetworkingEnabled=true\nWirelessEnabled=true\nWWANEnabled=true\n"),
		})
	}
	ethernet, err := connection(c, n, "ethernet", wired)
	if err != nil {
		return nil, err
	}
	interfaces, err := overlays.Render("interfaces", map[string]any{"Static": wired})
	if err != nil {
		return nil, err
	}
	return append(list, ethernet, File{
		Path: "/etc/network/interfaces.d/berry", Mode: 0o644, Data: interfaces, If: ifupdown, Unless: NetworkManager,
	}), nil
}

// connection is a NetworkManager keyfile of kind wifi or ethernet.
// NetworkManager ignores one that others may read (nm-settings-keyfile(5)).
func connection(c *profiles.Cluster, n profiles.Node, kind string, static *profiles.Address) (File, error) {
	var wifi map[string]string
	if kind == "wifi" {
		wifi = map[string]string{"SSID": keyfileText(c.WiFi.SSID), "PSK": keyfileText(c.WiFi.PSK.Reveal())}
	}
	content, err := overlays.Render("nmconnection", map[string]any{
		"Kind": kind, "UUID": derivedUUID("connection", c.Name, n.Name, kind), "WiFi": wifi, "Static": static,
	})
	return File{
		Path: "/etc/NetworkManager/system-connections/berry-" + kind + ".nmconnection",
		Mode: 0o600, Data: content, If: NetworkManager, Secret: wifi != nil,
	}, err
}

// keyfileText escapes a value for a GKeyFile: backslashes and leading spaces.
func keyfileText(s string) string {
	s = strings.ReplaceAll(s, `\`, `\\`)
	body := strings.TrimLeft(s, " ")
	return strings.Repeat(`\s`, len(s)-len(body)) + body
}

// login is the user's way in: SSH keys, and sudo. Without a password sudo can
// not ask for one; Raspberry Pi OS has not shipped passwordless sudo since
// 2026-04.
func login(c *profiles.Cluster) []File {
	home := "/home/" + c.User.Name
	var list []File
	if len(c.User.SSHKeys) > 0 {
		var keys bytes.Buffer
		for _, k := range c.User.SSHKeys {
			fmt.Fprintln(&keys, k)
		}
		list = append(list,
			File{Path: home + "/.ssh", Mode: 0o700, UID: UserID, GID: UserID, Dir: true},
			File{Path: home + "/.ssh/authorized_keys", Mode: 0o600, UID: UserID, GID: UserID, Data: keys.Bytes()})
	}
	if c.User.PasswordHash.IsZero() {
		list = append(list, File{
			Path: "/etc/sudoers.d/010_berry", Mode: 0o440, If: "/etc/sudoers.d",
			Data: fmt.Appendf(nil, "%s ALL=(ALL) NOPASSWD: ALL\n", c.User.Name),
		})
	}
	return list
}
