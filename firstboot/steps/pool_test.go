package steps

import (
	"errors"
	"strings"
	"testing"

	"berries/firstboot/gluster"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/status"
)

// packagedVol is the configuration file as the package brings it.
const packagedVol = `volume management
    type mgmt/glusterd
    option working-directory /var/lib/glusterd
    option ping-timeout 0
#   option base-port 49152
    option max-port  60999
end-volume
`

// installed is a node that has got its packages.
func installed() map[string]string {
	return map[string]string{unitDir + "/": "", glusterdConf: packagedVol, gluster.PeersDir + "/": "", "/usr/lib/": ""}
}

// joined is a node whose glusterd is a member of the pool and runs.
func joined(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	h := hosttest.New(t, installed(), transcript...)
	p := Pool{seen()}.at(h.Host, pi(1))
	seeds, err := gluster.Seeds("cluster01", pi(1).Gluster.Members, gluster.Version{Major: 11, Minor: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.plant(t.Context(), seeds); err != nil {
		t.Fatal(err)
	}
	h.Write(glusterdDropIn, glusterdUnit(pi(1)))
	h.Write(glusterdConf, strings.NewReplacer("ping-timeout 0", "ping-timeout 10", "max-port  60999", "max-port 49160").Replace(packagedVol))
	h.Units.Asked = []string{"start glusterd.service"}
	return h
}

func TestPoolIsSeededBeforeGlusterdStarts(t *testing.T) {
	h := hosttest.New(t, installed(), script(release, release, release, release, release,
		release, dead("peer status"),
		release, pooled("-2 3", "-3 3"), noVolume,
		release, pooled("2 3", "-3 3"), noVolume,
		release, pooled("2 4", "-3 3"), noVolume,
		release, pooled("2 3", "3 3"),
		release, pooled("2 3", "3 3"))...)
	h.Units.Then = func(asked string) error {
		if asked == "start glusterd.service" && !strings.HasPrefix(h.Read(gluster.InfoPath), "UUID="+uuid(1)+"\n") {
			t.Error("glusterd starts before it knows who it is")
		}
		return nil
	}
	end, said := told(t, h.Host, pi(1), Pool{seen("cluster02 11.1")})
	same(t, "end", status.Step{Name: "pool", State: status.Done}, end)
	same(t, "said", []string{
		"writing /etc/systemd/system/glusterd.service.d/berry.conf",
		"writing /etc/glusterfs/glusterd.vol",
		"making this node a member of the pool",
		"starting glusterd",
		"waiting for glusterd",
		"waiting for cluster02, cluster03 (silent)",
		"waiting for cluster03 (silent)",
		"waiting for cluster02 (State 4), cluster03 (silent)",
	}, said)
	same(t, "asked of systemd", []string{"reload", "stop glusterd.service", "stop glusterd.service", "start glusterd.service"}, h.Units.Asked)
	same(t, "files", map[string]string{
		gluster.InfoPath:                  "UUID=" + uuid(1) + "\noperating-version=110000\n",
		gluster.PeersDir + "/" + uuid(2):  "uuid=" + uuid(2) + "\nstate=3\nhostname1=cluster02\n",
		gluster.PeersDir + "/" + uuid(3):  "uuid=" + uuid(3) + "\nstate=3\nhostname1=cluster03\n",
		glusterdConf:                      strings.NewReplacer("ping-timeout 0", "ping-timeout 10", "max-port  60999", "max-port 49160").Replace(packagedVol),
		glusterdDropIn:                    glusterdUnit(pi(1)),
		gluster.PeersDir + "/" + uuid(1):  "",
		"/var/lib/glusterd/secure-access": "",
	}, map[string]string{
		gluster.InfoPath:                  h.Read(gluster.InfoPath),
		gluster.PeersDir + "/" + uuid(2):  h.Read(gluster.PeersDir + "/" + uuid(2)),
		gluster.PeersDir + "/" + uuid(3):  h.Read(gluster.PeersDir + "/" + uuid(3)),
		glusterdConf:                      h.Read(glusterdConf),
		glusterdDropIn:                    h.Read(glusterdDropIn),
		gluster.PeersDir + "/" + uuid(1):  h.Read(gluster.PeersDir + "/" + uuid(1)),
		"/var/lib/glusterd/secure-access": h.Read("/var/lib/glusterd/secure-access"),
	})
	if !h.Files.Exists(gluster.SecurePath) {
		t.Error("there is no secure-access")
	}
}

func TestGlusterdStartsSoonerWhereThatIsKnownToBeSafe(t *testing.T) {
	const dir, name = "/usr/lib/aarch64-linux-gnu/glusterfs/python/syncdaemon/", "/usr/local/lib/python3.13/dist-packages/berry-glusterd.pth"
	const idle, other = "    elif \"--config-set-rx\" in sys.argv:\n        # Not required\n", "    p.add_argument(\"--config-set-rx\")\n"
	for _, c := range []struct {
		words, python string
		want          []string
	}{
		{idle, "python3.13", []string{"writing " + name}},
		{other, "python3.13", nil},
		{idle, "/etc/alternatives/python3", nil},
	} {
		h := hosttest.New(t, map[string]string{"/usr/bin/python3": "-> " + c.python, dir + "argsupgrade.py": c.words})
		list, err := quickStart(h.Host)
		var got []string
		for _, d := range list {
			got = append(got, d.doing)
			err = errors.Join(err, d.mend(t.Context()))
		}
		if same(t, "done", c.want, got); err != nil {
			t.Error(err)
		}
		if h.Files.Exists(name) != (c.want != nil) {
			t.Errorf("%+v: there is %t", c, c.want == nil)
		}
	}
}

func TestPoolHolds(t *testing.T) {
	there := asks("volume info webroot", "<volInfo><volumes><volume><name>webroot</name></volume></volumes></volInfo>")
	tests := []struct {
		name   string
		answer []hosttest.Exchange
		want   string
	}{
		{"with everybody connected", script(pooled("2 3", "3 3")), ""},
		{"without a node, once there is the volume", script(pooled("-2 3", "3 3"), there), ""},
		{"without the others, once there is the volume", script(pooled("-2 3", "-3 3"), there), ""},
		{"with one that has other records, once there is the volume", script(pooled("2 6", "-3 3"), there), ""},
		{"not without a node before", script(pooled("-2 3", "3 3"), noVolume), "not in the pool yet: cluster02"},
		{"not with a node that glusterd has not read of", script(pooled("3 3"), noVolume), "not in the pool yet: cluster02"},
		{"not when everybody has other records", script(pooled("2 6", "3 6")),
			"not in the pool yet: cluster02 (its records of the volume differ from this node's; on the node that is wrong, type: " +
				"systemctl stop glusterd; rm -r /var/lib/glusterd/vols /var/lib/glusterd/peers; systemctl restart berry-firstboot), cluster03 (its"},
		{"not while glusterd does not answer", script(dead("peer status")), "glusterd does not answer"},
		{"not while glusterd falls silent", script(pooled("-2 3", "3 3"), dead("volume info webroot")), "glusterd does not answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := joined(t, script(release, tt.answer)...)
			state, err := Pool{seen("cluster02", "cluster03")}.Look(t.Context(), h.Host, pi(1))
			if got := state.String(); err != nil || got != tt.want && (tt.want == "" || !strings.HasPrefix(got, tt.want)) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

// TestPoolGoesOnAfterAnyCut takes one thing away from a node that is in its pool, and
// wants exactly that to be made good.
func TestPoolGoesOnAfterAnyCut(t *testing.T) {
	peer2 := gluster.PeersDir + "/" + uuid(2)
	tests := []struct {
		name  string
		left  func(*hosttest.Host)
		looks int
		units []string
	}{
		{"nothing", func(*hosttest.Host) {}, 1, nil},
		{"a boot", func(h *hosttest.Host) { h.Units.Asked = nil }, 3, []string{"start"}},
		{"no glusterd.info", func(h *hosttest.Host) { h.Remove(gluster.InfoPath) }, 4, []string{"stop", "start"}},
		{"an empty glusterd.info", func(h *hosttest.Host) { h.Write(gluster.InfoPath, "") }, 4, []string{"stop", "start"}},
		{"a peer lost", func(h *hosttest.Host) { h.Remove(peer2) }, 4, []string{"stop", "start"}},
		{"an empty peer", func(h *hosttest.Host) { h.Write(peer2, "") }, 4, []string{"stop", "start"}},
		{"a glusterd without TLS", func(h *hosttest.Host) { h.Remove(gluster.SecurePath) }, 4, []string{"stop", "start"}},
		{"a peer that glusterd has written anew", func(h *hosttest.Host) {
			h.Write(peer2, "uuid="+uuid(2)+"\nstate=3\nhostname1=cluster02\nhostname2=192.168.2.6\n")
		}, 1, nil},
		{"a glusterd.info of a later release", func(h *hosttest.Host) {
			h.Write(gluster.InfoPath, "UUID="+uuid(1)+"\noperating-version=100000\n")
		}, 1, nil},
		{"another node's glusterd.info", func(h *hosttest.Host) {
			h.Write(gluster.InfoPath, "UUID="+uuid(9)+"\noperating-version=110000\n")
		}, 4, []string{"stop", "start"}},
		{"an upgraded configuration file", func(h *hosttest.Host) { h.Write(glusterdConf, packagedVol) }, 4, []string{"stop", "start"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var looks []hosttest.Exchange
			for range tt.looks - 1 {
				looks = append(looks, release)
			}
			whole := script(release, pooled("2 3", "3 3"))
			if tt.looks > 1 {
				whole = script(whole, whole)
			}
			h := joined(t, script(looks, whole)...)
			before := len(h.Units.Asked)
			tt.left(h)
			before = min(before, len(h.Units.Asked))
			end, _ := told(t, h.Host, pi(1), Pool{seen()})
			if end.Error != "" {
				t.Error(end.Error)
			}
			var units []string
			for _, asked := range h.Units.Asked[before:] {
				verb, _, _ := strings.Cut(asked, " ")
				units = append(units, verb)
			}
			same(t, "asked of systemd", tt.units, units)
			state, err := Pool{seen()}.at(h.Host, pi(1)).seeds(gluster.Version{Major: 11, Minor: 1})
			if err != nil || len(state) > 0 {
				t.Errorf("seeds: %v, %v", stateOf(state), err)
			}
		})
	}
}

func TestPoolRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*hosttest.Host)
		others found
		first  hosttest.Exchange
		want   string
	}{
		{"a member with another release", nil, seen("cluster02 11.1", "cluster03 10.3"), release,
			"cluster01 has GlusterFS 11.1, but cluster03 has 10.3, and a pool has one; build the images of both anew with one lock"},
		{"a glusterd that is somebody else, with a volume", func(h *hosttest.Host) {
			h.Write(gluster.InfoPath, "UUID="+uuid(9)+"\noperating-version=110000\n")
			h.Write(volumesDir+"/old/info", "")
		}, seen(), release, "glusterd has the UUID " + uuid(9) + " and the volume old here, but this image is for " + uuid(1) + "; flash the card again"},
		{"a machine without a configuration file", func(h *hosttest.Host) { h.Remove(glusterdConf) }, seen(), release,
			"cannot look at /etc/glusterfs/glusterd.vol: no such file or directory; type: apt-get install --reinstall -o Dpkg::Options::=--force-confmiss glusterfs-server"},
		{"a machine without gluster", nil, seen(), hosttest.Exchange{Cmd: release.Cmd, Fails: "not found", Exit: 127},
			"cannot find out which GlusterFS is installed: gluster --mode=script --xml --version: exit status 127: not found"},
		{"a release that is too old", nil, seen(), hosttest.Exchange{Cmd: release.Cmd, Stdout: "glusterfs 9.2\n"},
			"GlusterFS 9.2 is too old: 10.0 is the first that is known here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := joined(t, tt.first)
			if tt.change != nil {
				tt.change(h)
			}
			end, _ := told(t, h.Host, pi(1), Pool{tt.others})
			same(t, "end", status.Step{Name: "pool", State: status.Failed, Error: tt.want}, end)
		})
	}
}

func TestPoolRefusesNoReleaseOnceThereIsTheVolumeNorAStranger(t *testing.T) {
	h := joined(t, release, pooled("2 3", "3 3"))
	h.Write(volumesDir+"/webroot/info", "")
	if end, _ := told(t, h.Host, pi(1), Pool{seen("cluster02 10.3")}); end.State != status.AlreadyDone {
		t.Errorf("an upgrade: %+v", end)
	}
	h = joined(t, release, pooled("2 3", "3 3"))
	if end, _ := told(t, h.Host, pi(1), Pool{seen("balancer 10.3")}); end.State != status.AlreadyDone {
		t.Errorf("a stranger: %+v", end)
	}
}

func TestPoolOfOneWaitsForNobody(t *testing.T) {
	f := pi(1)
	f.Gluster.Members = f.Gluster.Members[:1]
	h := joined(t, release, pooled())
	if end, _ := told(t, h.Host, f, Pool{seen()}); end.State != status.AlreadyDone {
		t.Errorf("%+v", end)
	}
}

func TestPoolSaysWhyGlusterdDoesNotStart(t *testing.T) {
	h := joined(t, release, release)
	h.Units.Asked = nil
	h.Units.Then = func(asked string) error { return errors.New("cannot " + asked + `: systemd says "failed"`) }
	end, _ := told(t, h.Host, pi(1), Pool{seen()})
	same(t, "end", status.Step{Name: "pool", State: status.Failed, Error: `cannot start glusterd.service: systemd says "failed"`}, end)
}

func TestWithOption(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"replaced", "volume m\n\toption max-port 60999\nend-volume\n", "volume m\n    option max-port 1\nend-volume\n"},
		{"given twice", "option max-port 2\noption max-port 3\nend-volume\n", "    option max-port 1\nend-volume\n"},
		{"a comment", "#   option max-port 5\nend-volume\n", "#   option max-port 5\n    option max-port 1\nend-volume\n"},
		{"another option", "option max-ports 5\nend-volume\n", "option max-ports 5\n    option max-port 1\nend-volume\n"},
		{"as it is to be", "    option max-port 1\nend-volume\n", "    option max-port 1\nend-volume\n"},
		{"no volume at all", "", ""},
	}
	for _, tt := range tests {
		if got := withOption(tt.text, gluster.Option{Name: "max-port", Value: "1"}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
