package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
)

// LAN are the addresses of the Ethernet at home. Nodes get theirs from DHCP: the first
// ones from .11 on, later ones (Renumber) from .101 on. What is above .200 is for
// strangers and for nodes with a static address. It is the same at the other sites.
var LAN = home.lan

// Renumbered nodes move to another range and back, so that no address is used twice
// in a row.
const (
	firstHosts = 10
	otherHosts = 100
)

// Namespace is the name of the network namespace of a node, or with "" of the
// router: anything can be run there with ip netns exec.
func (l *Lab) Namespace(name string) string {
	return strings.TrimSuffix(l.id+"-"+name, "-")
}

// netns is where ip(8) keeps network namespaces.
const netns = "/run/netns"

// namespaceFile is the file of a namespace of the lab.
func (l *Lab) namespaceFile(name string) string { return filepath.Join(netns, l.Namespace(name)) }

// ip runs ip(8) in a namespace of the lab.
func (l *Lab) ip(ctx context.Context, name string, args ...string) error {
	return l.command(ctx, "ip", append([]string{"-n", l.Namespace(name)}, args...)...)
}

// startRouter makes the bridge of a site, and a router on it, which may be connected to
// the internet later on.
func (l *Lab) startRouter(ctx context.Context, s site, online bool) error {
	if err := os.Mkdir(l.path(s.dir()), 0o700); err != nil {
		return err
	}
	if s == home {
		if err := l.noteNetns(); err != nil {
			return err
		}
	}
	if err := l.command(ctx, "ip", "netns", "add", l.Namespace(s.name)); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		// A bridge that snoops forgets who listens to a group while nobody asks.
		{"link", "add", "lan", "type", "bridge", "mcast_snooping", "0"},
		{"addr", "add", netip.PrefixFrom(s.router(), s.lan.Bits()).String(), "dev", "lan"},
		{"link", "set", "lan", "up"},
	} {
		if err := l.ip(ctx, s.name, args...); err != nil {
			return err
		}
	}
	return l.startDHCP(ctx, s, online)
}

// dnsmasqConf is a router's DHCP, and its DNS. That knows nobody's name, and asks the
// internet where there is one: nodes find each other without its help. It offers an
// address at once, without having looked for a second whether it is free.
const dnsmasqConf = `interface=lan
bind-interfaces
user=root
group=root
pid-file
no-resolv
no-hosts
no-ping
no-negcache
log-dhcp
log-facility=%[1]s/log
dhcp-authoritative
dhcp-ignore-names
dhcp-range=%[2]s,static,1h
dhcp-hostsfile=%[1]s/hosts
dhcp-leasefile=%[1]s/leases
%[3]s`

func (l *Lab) startDHCP(ctx context.Context, s site, online bool) error {
	if err := l.writeHosts(s); err != nil {
		return err
	}
	dns := ""
	switch {
	case s == internet: // the DNS is another program's
		dns = fmt.Sprintf("port=0\ndhcp-option=option:dns-server,%s\n", s.router())
	case online:
		dns = fmt.Sprintf("server=%s\n", internet.router())
	}
	conf := l.path(s.dir(), "dnsmasq.conf")
	if err := os.WriteFile(conf, fmt.Appendf(nil, dnsmasqConf, l.path(s.dir()), s.lan.Addr(), dns), 0o600); err != nil {
		return err
	}
	g := l.group(s.dir())
	if err := g.make(); err != nil {
		return err
	}
	cmd, err := g.in(l.within(s.name, host.Command("dnsmasq", "--conf-file="+conf)))
	if err != nil {
		return err
	}
	_, err = l.run.Run(ctx, cmd)
	return err
}

// within has a command run in a network namespace of the lab, and otherwise here.
func (l *Lab) within(name string, cmd host.Cmd) host.Cmd {
	cmd.Args = append([]string{"--net=" + l.namespaceFile(name), "--", cmd.Name}, cmd.Args...)
	cmd.Name = "nsenter"
	return cmd
}

// writeHosts tells the DHCP of a site who gets which address. A node is known by its
// card alone: a wiped one introduces itself by another client identifier than before.
func (l *Lab) writeHosts(s site) error {
	nodes, err := l.all()
	if err != nil {
		return err
	}
	var text strings.Builder
	for _, n := range nodes {
		if siteOf(n.Role) == s {
			fmt.Fprintf(&text, "%s,id:*,%s\n", n.mac(), n.Address)
		}
	}
	return os.WriteFile(l.path(s.dir(), "hosts"), []byte(text.String()), 0o600)
}

// rereadHosts has the DHCP of a site read its list again.
func (l *Lab) rereadHosts(s site) error {
	if err := l.writeHosts(s); err != nil {
		return err
	}
	pids, err := l.group(s.dir()).processes()
	for _, pid := range pids {
		err = errors.Join(err, unix.Kill(pid, unix.SIGHUP))
	}
	return err
}
