package disktest

import (
	"fmt"
	"strings"
)

// skeleton is the folders and symlinks that every Debian has.
func (m maker) skeleton() map[string]node {
	return map[string]node{
		"/bin":                              link("usr/bin"),
		"/lib":                              link("usr/lib"),
		"/sbin":                             link("usr/sbin"),
		"/boot/firmware":                    folder(0o755),
		"/dev":                              folder(0o755),
		"/proc":                             folder(0o755),
		"/run":                              folder(0o755),
		"/sys":                              folder(0o755),
		"/root":                             folder(0o700),
		"/tmp":                              folder(0o1777),
		"/mnt":                              folder(0o755),
		"/usr/bin":                          folder(0o755),
		"/usr/sbin":                         folder(0o755),
		"/usr/local/bin":                    folder(0o755),
		"/var/cache/apt/archives":           folder(0o755),
		"/var/lib/apt/lists":                folder(0o755),
		"/var/log":                          folder(0o755),
		"/usr/share/zoneinfo/UTC":           file(0o644, "TZif2 UTC"),
		"/usr/share/zoneinfo/Europe/London": file(0o644, "TZif2 London"),
		"/usr/share/zoneinfo/Europe/Berlin": file(0o644, "TZif2 Berlin"),
		"/usr/lib/os-release":               file(0o644, m.osRelease()),
	}
}

func (m maker) osRelease() string {
	number := map[Suite]int{Trixie: 13, Bookworm: 12}[m.options.Suite]
	return fmt.Sprintf("PRETTY_NAME=\"Debian GNU/Linux %d (%s)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"%d\"\nVERSION=\"%d (%s)\"\nVERSION_CODENAME=%s\nID=debian\n",
		number, m.options.Suite, number, number, m.options.Suite, m.options.Suite)
}

// etc is the configuration that pi-gen leaves.
func (m maker) etc() map[string]node {
	id := fmt.Sprintf("%08x", uint32(Signature))
	out := map[string]node{
		"/etc/fstab": file(0o644, "proc            /proc           proc    defaults          0       0\n"+
			"PARTUUID="+id+"-01  /boot/firmware  vfat    defaults          0       2\n"+
			"PARTUUID="+id+"-02  /               ext4    defaults,noatime  0       1\n"),
		"/etc/hostname":               file(0o644, "raspberrypi\n"),
		"/etc/hosts":                  file(0o644, "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost ip6-loopback\nff02::1\t\tip6-allnodes\nff02::2\t\tip6-allrouters\n\n127.0.1.1\traspberrypi\n"),
		"/etc/machine-id":             file(0o444, "uninitialized\n"),
		"/etc/timezone":               file(0o644, "Europe/London\n"),
		"/etc/localtime":              link("/usr/share/zoneinfo/Europe/London"),
		"/etc/os-release":             link("../usr/lib/os-release"),
		"/etc/debian_version":         file(0o644, map[Suite]string{Trixie: "13.1\n", Bookworm: "12.12\n"}[m.options.Suite]),
		"/etc/rpi-issue":              file(0o644, "Raspberry Pi reference 2026-09-15\n"),
		"/etc/default/keyboard":       file(0o644, "XKBMODEL=\"pc105\"\nXKBLAYOUT=\"gb\"\nXKBVARIANT=\"\"\nXKBOPTIONS=\"\"\n\nBACKSPACE=\"guess\"\n"),
		"/etc/default/locale":         file(0o644, "LANG=en_GB.UTF-8\n"),
		"/etc/locale.gen":             file(0o644, "# de_DE.UTF-8 UTF-8\nen_GB.UTF-8 UTF-8\n# en_US.UTF-8 UTF-8\n"),
		"/etc/ssh/sshd_config":        file(0o644, "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n"),
		"/etc/ssh/sshd_config.d":      folder(0o755),
		"/etc/sudoers.d":              folder(0o750),
		"/etc/sudoers.d/README":       file(0o440, "# sudoers\n"),
		"/etc/skel/.bashrc":           file(0o644, "# bashrc\n"),
		"/etc/apt/sources.list":       file(0o644, "\n"),
		"/etc/apt/apt.conf.d":         folder(0o755),
		"/etc/modprobe.d":             folder(0o755),
		"/etc/sysctl.d":               folder(0o755),
		"/etc/initramfs-tools/conf.d": folder(0o755),
	}
	if m.options.Suite == Bookworm {
		out["/etc/sudoers.d/010_pi-nopasswd"] = file(0o440, "pi ALL=(ALL) NOPASSWD: ALL\n")
	}
	if m.options.CloudInit {
		out["/etc/cloud/cloud.cfg"] = file(0o644, "cloud_init_modules:\n  - growpart\n  - resizefs\n")
		out["/etc/cloud/cloud.cfg.d/99_raspberry-pi.cfg"] = file(0o644, "datasource_list: [NoCloud, None]\ndatasource:\n  NoCloud:\n    seedfrom: file:///boot/firmware\n")
	}
	return out
}

// accounts is the users, and the home of the first one.
func (m maker) accounts() map[string]node {
	shell := map[Suite]string{Trixie: "/usr/sbin/nologin", Bookworm: "/bin/bash"}[m.options.Suite]
	const shadowGroup = 42
	return map[string]node{
		"/etc/passwd": file(0o644, "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"+
			"www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"+
			"sshd:x:101:65534::/run/sshd:/usr/sbin/nologin\npi:x:1000:1000:,,,:/home/pi:"+shell+"\n"),
		"/etc/group": file(0o644, "root:x:0:\ndaemon:x:1:\nadm:x:4:pi\nsudo:x:27:pi\nshadow:x:42:\nwww-data:x:33:\n"+
			"users:x:100:pi\nnogroup:x:65534:\nnetdev:x:106:pi\ngpio:x:997:pi\npi:x:1000:\n"),
		"/etc/shadow":           file(0o640, "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n").owned(0, shadowGroup),
		"/etc/gshadow":          file(0o640, "root:*::\nsudo:*::pi\npi:!::\n").owned(0, shadowGroup),
		"/etc/subuid":           file(0o644, "pi:100000:65536\n"),
		"/etc/subgid":           file(0o644, "pi:100000:65536\n"),
		"/home/pi":              folder(0o700).owned(1000, 1000),
		"/home/pi/.bashrc":      file(0o644, "# bashrc\n").owned(1000, 1000),
		"/home/pi/.profile":     file(0o644, "# profile\n").owned(1000, 1000),
		"/home/pi/.config":      folder(0o755).owned(1000, 1000),
		"/home/pi/.config/x":    file(0o600, "x\n").owned(1000, 1000),
		"/home/pi/.bash_logout": file(0o644, "# bye\n").owned(1000, 1000),
	}
}

// packages is what dpkg knows.
func (m maker) packages() map[string]node {
	names := []string{"apt", "avahi-daemon", "base-files", "bash", "dpkg", "fake-hwclock", "libc6", "openssh-server", "python3", "raspberrypi-sys-mods", "systemd", "sudo", "util-linux"}
	names = append(names, map[Network]string{NetworkManager: "network-manager", Ifupdown: "ifupdown"}[m.options.Network])
	if m.options.CloudInit {
		names = append(names, "cloud-init")
	}
	var status strings.Builder
	out := map[string]node{"/var/lib/dpkg/arch": file(0o644, m.options.Arch+"\n")}
	for _, name := range names {
		fmt.Fprintf(&status, "Package: %s\nStatus: install ok installed\nPriority: optional\nSection: admin\nInstalled-Size: 100\nMaintainer: Nobody <nobody@example.org>\nArchitecture: %s\nMulti-Arch: foreign\nVersion: 1.0-1\nDescription: %s\n\n", name, m.options.Arch, name)
		out["/var/lib/dpkg/info/"+name+".list"] = file(0o644, "/.\n")
		out["/var/lib/dpkg/info/"+name+".md5sums"] = file(0o644, "")
	}
	out["/var/lib/dpkg/status"] = file(0o644, status.String())
	return out
}

// units is systemd's units: enough for a hashed directory.
func (m maker) units() map[string]node {
	const system, enabled = "/usr/lib/systemd/system/", "/etc/systemd/system/"
	unit := func(name string) node { return file(0o644, "[Unit]\nDescription="+name+"\n") }
	out := map[string]node{
		enabled + "multi-user.target.wants":                      folder(0o755),
		enabled + "getty.target.wants/getty@tty1.service":        link("/usr/lib/systemd/system/getty@.service"),
		enabled + "multi-user.target.wants/userconfig.service":   link("/usr/lib/systemd/system/userconfig.service"),
		enabled + "multi-user.target.wants/avahi-daemon.service": link("/usr/lib/systemd/system/avahi-daemon.service"),
	}
	for _, name := range []string{"ssh", "sshswitch", "userconfig", "avahi-daemon", "getty@", "systemd-growfs-root", "systemd-timesyncd", "fstrim"} {
		out[system+name+".service"] = unit(name)
	}
	if m.options.Suite == Trixie {
		out[system+"rpi-resize.service"] = unit("rpi-resize")
		out[enabled+"multi-user.target.wants/rpi-resize.service"] = link(system + "rpi-resize.service")
		out[system+"sshd-keygen.service"] = unit("sshd-keygen")
	} else {
		out["/etc/init.d/resize2fs_once"] = file(0o755, "#!/bin/sh\n")
		out["/usr/lib/raspberrypi-sys-mods/firstboot"] = file(0o755, "#!/bin/bash\n")
		out[system+"regenerate_ssh_host_keys.service"] = unit("regenerate_ssh_host_keys")
	}
	for i := range 300 {
		name := fmt.Sprintf("systemd-example-unit-number-%03d", i)
		out[system+name+".service"] = unit(name)
	}
	return out
}

// networking is what brings the network up.
func (m maker) networking() map[string]node {
	if m.options.Network == Ifupdown {
		return map[string]node{
			"/etc/network/interfaces":   file(0o644, "source /etc/network/interfaces.d/*\nauto lo\niface lo inet loopback\n"),
			"/etc/network/interfaces.d": folder(0o755),
		}
	}
	return map[string]node{
		"/etc/NetworkManager/NetworkManager.conf":        file(0o644, "[main]\nplugins=ifupdown,keyfile\n"),
		"/etc/NetworkManager/system-connections":         folder(0o755),
		"/usr/lib/systemd/system/NetworkManager.service": file(0o644, "[Unit]\nDescription=Network Manager\n"),
		"/var/lib/NetworkManager/NetworkManager.state":   file(0o644, "[main]\nNetworkingEnabled=true\nWirelessEnabled=false\nWWANEnabled=true\n"),
	}
}
