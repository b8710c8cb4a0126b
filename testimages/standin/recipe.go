package main

// packages are what the stand-in installs beyond Debian's essential packages:
// those of Raspberry Pi OS Lite that matter to a node's first boot, and what
// they depend on. A Lite image has no x11-common, on which all of a desktop
// depends: it is here for the first boot to take away.
var packages = []string{
	"adduser", "apt", "avahi-daemon", "ca-certificates", "console-setup", "cron", "curl", "dbus", "dosfstools",
	"e2fsprogs", "fdisk", "init", "iproute2", "iputils-ping", "keyboard-configuration", "kmod", "less",
	"libnss-mdns", "libpam-systemd", "locales", "logrotate", "nano", "netbase", "network-manager", "openssh-server",
	"parted", "passwd", "polkitd", "procps", "psmisc", "python3", "rsync", "sudo", "systemd-timesyncd",
	"tzdata", "udev", "wpasupplicant", "x11-common",
}

// bootPackages are what makes an arm64 stand-in boot: the Pi's firmware and a
// kernel.
var bootPackages = []string{"initramfs-tools", "raspi-firmware", "linux-image-arm64"}

// borrowed are packages of this machine's architecture whose programs stand in
// for the stand-in's own while it is installed.
var borrowed = []string{
	"bash", "coreutils", "dash", "debianutils", "diffutils", "dpkg", "findutils", "grep", "gzip", "init-system-helpers",
	"libc-bin", "mawk", "openssl", "perl-base", "python3-minimal", "sed", "systemd", "tar", "udev",
}

// answers are debconf's questions and what pi-gen answers them.
const answers = `locales locales/locales_to_be_generated multiselect en_GB.UTF-8 UTF-8
locales locales/default_environment_locale select en_GB.UTF-8
tzdata tzdata/Areas select Europe
tzdata tzdata/Zones/Europe select London
keyboard-configuration keyboard-configuration/model select Generic 105-key PC (intl.)
keyboard-configuration keyboard-configuration/layout select English (UK)
keyboard-configuration keyboard-configuration/layoutcode string gb
keyboard-configuration keyboard-configuration/modelcode string pc105
keyboard-configuration keyboard-configuration/variant select English (UK)
keyboard-configuration keyboard-configuration/variantcode string
`

// interpreters are borrowed programs that "#!" lines name; pythons is a pattern
// for one that is there only when all packages are unpacked.
var interpreters = []string{"bash", "dash", "perl"}

const pythons = "python3.*"
