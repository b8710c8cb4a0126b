package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/firstboot/gluster"
)

// part is a part of the script. All nodes do it at once, and go on together.
type part struct {
	name  string
	first bool // for the first node alone
	text  func(l lab, n known) string
}

// script is the shortest way that we know. Certificates, and the links by which
// GlusterFS finds them, are on the image. It waits for nothing but its packages and
// for glusterds to meet, and makes no initial RAM disk, as berry-firstboot does not.
var script = []part{
	{"packages", false, func(lab, known) string {
		return `mkdir -p /run/form/lists/partial /run/form/cache/archives/partial
echo 'deb [trusted=yes] file:/var/lib/berry/pool ./' >/run/form/sources.list
apt="apt-get -q -y --no-install-recommends -o Dir::Etc::sourcelist=/run/form/sources.list -o Dir::Etc::sourceparts=/dev/null
	-o Dir::State::lists=/run/form/lists -o Dir::Cache=/run/form/cache -o APT::Sandbox::User=root"
export DEBIAN_FRONTEND=noninteractive
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d
[ ! -d /etc/initramfs-tools ] || echo update_initramfs=no >/etc/initramfs-tools/update-initramfs.conf
$apt update
$apt install apache2 attr glusterfs-client glusterfs-server openssh-server rsync
rm /usr/sbin/policy-rc.d`
	}},
	{"names, seeds and glusterd", false, func(l lab, self known) string {
		text := `sed -i '/^127\.0\.1\.1/d' /etc/hosts
mkdir -p /var/lib/glusterd/peers
release=$(gluster --version | sed -n 's/^glusterfs \([0-9]*\).*/\1/p')
touch /var/lib/glusterd/secure-access
`
		for _, n := range l.nodes {
			text += fmt.Sprintf("echo '%s %s' >>/etc/hosts\n", n.Address, n.Name)
			if n != self {
				p := gluster.PeerFile{UUID: n.UUID, State: gluster.PeerInCluster, Hostnames: []string{n.Name}}
				text += fmt.Sprintf("printf '%%s' '%s' >%s\n", p.Text(), p.Path())
			}
		}
		return text + fmt.Sprintf("printf 'UUID=%s\\noperating-version=%%s0000\\n' $release >%s\nsystemctl start glusterd\n", self.UUID, gluster.InfoPath)
	}},
	{"glusterds meet", true, func(l lab, _ known) string {
		return fmt.Sprintf("until [ $(gluster --mode=script pool list | grep -c Connected) = %d ]; do sleep 0.2; done", len(l.nodes))
	}},
	{"volume", true, func(l lab, _ known) string {
		var bricks, names, options []string
		for _, n := range l.nodes {
			bricks = append(bricks, n.Name+":"+brick)
			names = append(names, n.Name)
		}
		for _, o := range gluster.WebOptions(names...) {
			options = append(options, o.Name+" "+o.Value)
		}
		return fmt.Sprintf("g='gluster --mode=script'\n$g volume create %[1]s replica %[2]d %[3]s\n$g volume set %[1]s %[4]s\n$g volume start %[1]s",
			volume, len(bricks), strings.Join(bricks, " "), strings.Join(options, " "))
	}},
	{"mount", false, func(lab, known) string {
		return fmt.Sprintf("mkdir -p %[1]s\nuntil mount -t glusterfs localhost:/%s %[1]s && stat %[1]s; do sleep 0.2; done", mount, volume)
	}},
	{"Apache", false, func(_ lab, n known) string {
		return fmt.Sprintf(`echo 'Listen %[1]d' >/etc/apache2/ports.conf
sed -i 's|\*:80>|*:%[1]d>|; s|/var/www/html|%[2]s|' /etc/apache2/sites-available/000-default.conf
printf '<Directory %[2]s>\nRequire all granted\n</Directory>\n' >/etc/apache2/conf-enabled/form.conf
systemctl enable --now apache2`, n.Port, mount)
	}},
	{"a file", true, func(lab, known) string { return "echo served >" + mount + "/health" }},
}

// byScript runs the script.
func byScript(ctx context.Context, l lab) ([]phase, error) {
	var phases []phase
	for _, p := range script {
		began := time.Now()
		var all errgroup.Group
		for i, n := range l.nodes {
			if p.first && i > 0 {
				continue
			}
			all.Go(func() error {
				_, err := l.Exec(ctx, n.Name, "sh", "-euc", p.text(l, n))
				return err
			})
		}
		if err := all.Wait(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		phases = append(phases, phase{p.name, time.Since(began)})
	}
	return phases, nil
}
