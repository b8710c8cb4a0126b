package steps

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"berries/firstboot/gluster"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// receives is the remote node of a cluster of one storage node.
func receives() node.File {
	return node.File{
		Name: "cluster04", Cluster: "berries", Role: node.Remote,
		Brick:   &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
		Gluster: &node.Gluster{Volume: "webroot", Mount: "/mnt/www", Members: []node.Member{{Name: "cluster04", UUID: uuid(4)}}},
		Web:     &node.Web{Port: 8480},
		Secondary: &node.Secondary{Port: 2222, User: "geoaccount", Group: "geogroup", Root: "/var/mountbroker-root",
			Primaries: []node.Primary{{Name: "cluster01", Key: "ssh-ed25519 AAAA", TarKey: "ssh-ed25519 BBBB"}}},
	}
}

const (
	sshWanted = unitDir + "/multi-user.target.wants/ssh.service"
	statKeys  = "stat '--format=%a %U:%G' /etc/berry/tls /etc/berry/tls/node.key /etc/berry/tls/node.pem /etc/berry/tls/ca.pem"
	closed    = "700 root:root\n600 root:root\n600 root:root\n600 root:root\n"
	opened    = "750 root:geogroup\n640 root:geogroup\n640 root:geogroup\n640 root:geogroup\n"
)

// receiver is that node with its packages, and what of the step holds already.
func receiver(t *testing.T, files map[string]string, transcript ...hosttest.Exchange) *hosttest.Host {
	all := map[string]string{
		"/etc/group": "root:x:0:\n", "/etc/passwd": "root:x:0:0::/root:/bin/bash\n", "/etc/berry/": "", "/etc/ssh/sshd_config.d/": "",
		glusterdConf: "volume management\n    option ping-timeout 0\nend-volume\n",
		sshWanted:    "-> /usr/lib/systemd/system/ssh.service",
	}
	for name, text := range files {
		all[name] = text
	}
	h := hosttest.New(t, all, transcript...)
	h.Units.Asked = []string{"start " + sshd, "start " + glusterd}
	return h
}

func TestTheRemoteNodeLetsGeoReplicationIn(t *testing.T) {
	var h *hosttest.Host
	opens := func(name, mode string) []hosttest.Exchange {
		return []hosttest.Exchange{{Cmd: "chgrp geogroup " + name}, {Cmd: "chmod 0" + mode + " " + name}}
	}
	transcript := []hosttest.Exchange{
		{Cmd: "groupadd --system geogroup", Then: func() { h.Write("/etc/group", "root:x:0:\ngeogroup:x:999:\n") }},
		{Cmd: "useradd --system --gid geogroup --no-create-home --home-dir / --shell /bin/sh geoaccount",
			Then: func() { h.Write("/etc/passwd", "root:x:0:0::/root:/bin/bash\ngeoaccount:x:999:999::/:/bin/sh\n") }},
		{Cmd: "chmod 0711 /var/mountbroker-root"},
		{Cmd: statKeys, Stdout: closed},
	}
	for _, o := range [][2]string{{"/etc/berry/tls", "750"}, {"/etc/berry/tls/node.key", "640"}, {"/etc/berry/tls/node.pem", "640"}, {"/etc/berry/tls/ca.pem", "640"}} {
		transcript = append(transcript, opens(o[0], o[1])...)
	}
	for range 6 { // looks after the key is open: three to mend, one that finds nothing, and two more walks
		transcript = append(transcript, hosttest.Exchange{Cmd: statKeys, Stdout: opened})
	}
	h = receiver(t, nil, transcript...)
	end, said := told(t, h.Host, receives(), Secondary{})
	same(t, "the step ended", status.Step{Name: "secondary", State: status.Done}, end)
	same(t, "said", []string{
		"making the group geogroup", "making the account geoaccount", "making /var/mountbroker-root", "writing " + glusterdConf,
		"letting the group geogroup read /etc/berry/tls/node.key", "writing /etc/berry/gsyncd.conf", "writing " + geoKeys, "writing " + sshdDropIn,
	}, said)
	same(t, "asked of systemd", []string{"start " + sshd, "start " + glusterd, "stop " + glusterd, "start " + glusterd, "stop " + sshd, "start " + sshd}, h.Units.Asked)
	same(t, "keys", oursMark+`
restrict,command="/usr/lib/berry/berry-firstboot gsync session geoaccount cluster01 cluster04 webroot /mnt/www" ssh-ed25519 AAAA cluster01
restrict,command="/usr/lib/berry/berry-firstboot gsync tar geoaccount cluster01 cluster04 webroot /mnt/www" ssh-ed25519 BBBB cluster01
`, h.Read(geoKeys))
	for _, line := range []string{"Port 22\nPort 2222\nMatch User geoaccount\n", "AuthorizedKeysFile " + geoKeys, "DisableForwarding yes", "PermitTTY no"} {
		if !strings.Contains(h.Read(sshdDropIn), line) {
			t.Errorf("sshd is not told %q:\n%s", line, h.Read(sshdDropIn))
		}
	}
	for _, option := range []string{"mountbroker-root /var/mountbroker-root", "mountbroker-geo-replication.geoaccount webroot", "geo-replication-log-group geogroup"} {
		if strings.Count(h.Read(glusterdConf), "    option "+option+"\n") != 1 {
			t.Errorf("glusterd is not told %q once:\n%s", option, h.Read(glusterdConf))
		}
	}
	end, _ = told(t, h.Host, receives(), Secondary{})
	same(t, "the second time it ended", status.Step{Name: "secondary", State: status.AlreadyDone}, end)
}

func TestAnSSHDThatDoesNotTakeItsFileRunsWithoutIt(t *testing.T) {
	h := receiver(t, nil)
	h.Units.Then = func(asked string) error {
		if asked == "start "+sshd && h.Read(sshdDropIn) != "" {
			return errors.New("ssh.service failed")
		}
		return nil
	}
	s := secondary{h.Host, receives(), *receives().Secondary}
	h.Write(geoKeys, s.keys())
	list, err := s.letIn(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if err := list[0].mend(t.Context()); err == nil || !strings.Contains(err.Error(), "sshd does not take "+sshdDropIn+": ssh.service failed") {
		t.Errorf("got %v", err)
	}
	same(t, "the file", "", h.Read(sshdDropIn))
	same(t, "the last thing asked of systemd", "start "+sshd, h.Units.Asked[len(h.Units.Asked)-1])
}

func TestTheVolumeOfACopyIsNobodysToWriteTo(t *testing.T) {
	has := func(f node.File) bool {
		for _, o := range (volume{f: f}).wanted() {
			if o == (gluster.Option{Name: "features.read-only", Value: "on"}) {
				return true
			}
		}
		return false
	}
	if !has(receives()) || has(pi(1)) {
		t.Errorf("a copy: %v, a primary: %v", has(receives()), has(pi(1)))
	}
}

func TestACopyIsServedWhenItIsWhole(t *testing.T) {
	h := receiver(t, map[string]string{volumesDir + "/webroot/info": "type=0\nvolume-id=" + copyID + "\n"})
	site := webOf(h.Host, receives()).site()
	if want := fmt.Sprintf("RewriteCond %s !-f [OR]\n\tRewriteCond /mnt/www/.berry/health !-f [OR]\n", wholeMark); !strings.Contains(site, want) {
		t.Errorf("the site lacks %q:\n%s", want, site)
	}
	if site := webOf(h.Host, pi(1)).site(); strings.Contains(site, "whole") {
		t.Errorf("a storage node waits for a copy:\n%s", site)
	}
}
