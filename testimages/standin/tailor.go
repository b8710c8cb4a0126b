package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// file is one text file that pi-gen writes.
type file struct {
	path    string
	content string
	mode    os.FileMode
}

// files are what pi-gen writes into the root filesystem, beyond accounts.
func (m *making) files() []file {
	return []file{
		{"etc/hostname", "raspberrypi\n", 0o644},
		{"etc/fstab", m.suite.fstab(m.diskID), 0o644},
		{"etc/machine-id", "uninitialized\n", 0o444},
		{"etc/timezone", "Europe/London\n", 0o644},
		{"etc/resolv.conf", "nameserver 8.8.8.8\n", 0o644},
		{"etc/apt/sources.list.d/debian.sources", m.sources(), 0o644},
		{"etc/rpi-issue", "Stand-in for Raspberry Pi OS Lite, made of Debian " + m.suite.name + "\n", 0o644},
		// Wireless is off until somebody says in which country the Pi is.
		{"var/lib/NetworkManager/NetworkManager.state", "[main]\nNetworkingEnabled=true\nWirelessEnabled=false\nWWANEnabled=true\n", 0o644},
	}
}

// sources is the image's own list of archives: the mirrors it was made from.
func (m *making) sources() string {
	var text strings.Builder
	for i, mirror := range m.archive.Mirrors {
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "Types: deb\nURIs: %s\nSuites: %s%s\nComponents: main contrib non-free non-free-firmware\nSigned-By: %s\n",
			mirror.URI, m.suite.name, mirror.Suffix, "/usr/share/keyrings/debian-archive-keyring.gpg")
	}
	return text.String()
}

// accounts are the commands that make pi-gen's groups and its user pi, who may
// not log in until somebody gives them a shell.
var accounts = [][]string{
	{"groupadd", "-f", "-r", "input"},
	{"groupadd", "-f", "-r", "spi"},
	{"groupadd", "-f", "-r", "i2c"},
	{"groupadd", "-f", "-r", "gpio"},
	{"groupadd", "-f", "-r", "netdev"},
	{"useradd", "-m", "-u", "1000", "-s", "/usr/sbin/nologin", "-c", "", "-G",
		"adm,dialout,cdrom,sudo,audio,video,plugdev,games,users,input,render,netdev,spi,i2c,gpio", "pi"},
	{"usermod", "-p", "*", "root"},
}

// removed are files that pi-gen takes away, since every Pi must get its own, or
// none.
var removed = []string{
	"etc/ssh/ssh_host_*_key*",
	"var/lib/dbus/machine-id",
	"etc/*-", // backups of the account files
	"var/lib/dpkg/*-old",
	"var/cache/debconf/*-old",
	// SSH is off until somebody asks for it.
	"etc/systemd/system/*.wants/ssh.service",
	"etc/systemd/system/sshd.service",
}

// tailor turns the installed Debian into what pi-gen would leave.
func (m *making) tailor(ctx context.Context) error {
	for _, words := range accounts {
		if err := m.root.Do(ctx, nil, words...); err != nil {
			return err
		}
	}
	if err := m.root.Leave(); err != nil {
		return err
	}
	for _, pattern := range removed {
		found, err := filepath.Glob(filepath.Join(m.root.Dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	for _, f := range m.files() {
		if err := m.write(f); err != nil {
			return err
		}
	}
	if err := m.nameHost(); err != nil {
		return err
	}
	return m.emptyLogs()
}

func (m *making) write(f file) error {
	path := filepath.Join(m.root.Dir, f.path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(f.content), f.mode)
}

// nameHost adds the line by which a Pi knows its own name.
func (m *making) nameHost() error {
	path := filepath.Join(m.root.Dir, "etc/hosts")
	hosts, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text := strings.TrimRight(string(hosts), "\n") + "\n\n127.0.1.1\t\traspberrypi\n"
	return os.WriteFile(path, []byte(text), 0o644)
}

// emptyLogs empties every log, as pi-gen does.
func (m *making) emptyLogs() error {
	return filepath.WalkDir(filepath.Join(m.root.Dir, "var/log"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		return os.Truncate(path, 0)
	})
}
