package steps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"time"

	"berries/firstboot/georep"
	"berries/firstboot/gluster"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"
)

// sends is a storage node whose volume a remote node gets a copy of.
func sends(number int) node.File {
	f := pi(number)
	f.GeoRep = &node.GeoRep{Remote: "cluster04", Host: "berries.example.net", Port: 2222, User: "geoaccount", Key: "private\n", TarKey: "other\n",
		HostKeys: []string{"ssh-ed25519 AAAA", "ssh-rsa BBBB"}}
	return f
}

const (
	copyID    = "018a271e-6532-44d4-8a80-c617c02da93e"
	gsyncConf = "/var/lib/glusterd/geo-replication/webroot_cluster04_webroot/gsyncd.conf"
	wholeMark = "/mnt/www/.berry/whole-" + copyID
)

// primary is such a node with trixie's Python and GlusterFS, and the session.
func primary(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	h := hosttest.New(t, map[string]string{
		"/usr/bin/python3": "-> python3.13",
		"/usr/lib/x86_64-linux-gnu/glusterfs/python/syncdaemon/gsyncdconfig.py": "            cnf.readfp(f)\n",
		gsyncConf:                    "[vars]\nstime-xattr-prefix = trusted.glusterfs.3735563d-5889-4690-8b8f-e7c640c3f7f1." + copyID + "\n",
		"/mnt/www/.berry/":           "",
		volumesDir + "/webroot/info": "volume-id=3735563d\nsecondary1=00000000-0000-4000-8000-000000000001:ssh://geoaccount@cluster04::webroot:" + copyID + "\n",
	}, transcript...)
	h.Host.Clock = noon()
	return h
}

func TestEveryStorageNodeGetsWhatItNeeds(t *testing.T) {
	h := primary(t)
	step := GeoRep{seen("cluster01", "cluster03")} // so cluster02 is not the first
	end, _ := told(t, h.Host, sends(2), step)
	same(t, "the step ended", status.Step{Name: "georep", State: status.Done}, end)
	same(t, "known_hosts", "cluster04 ssh-ed25519 AAAA\ncluster04 ssh-rsa BBBB\n", h.Read("/etc/berry/georep/known_hosts"))
	for name, mode := range map[string]uint32{"/etc/berry/georep/session.key": 0o600, "/etc/berry/georep/tar.key": 0o600, "/usr/lib/berry/georep/gluster": 0o755} {
		if info, err := h.Files.Stat(name); err != nil || uint32(info.Mode()) != mode {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for name, words := range map[string][]string{
		"/etc/berry/georep/session": {"HostName berries.example.net\n", "HostKeyAlias cluster04\n", "StrictHostKeyChecking yes\n", "IdentityFile /etc/berry/georep/session.key\n"},
		"/etc/berry/georep/tar":     {"IdentityFile /etc/berry/georep/tar.key\n"},
		"/usr/lib/berry/georep/gluster": {"--remote-host=cluster04 ]", "exec ssh -F /etc/berry/georep/session -p 2222 geoaccount@cluster04 /usr/sbin/gluster --xml --remote-host=localhost volume info webroot\n",
			"exec /usr/sbin/gluster \"$@\"\n"},
		"/usr/local/lib/python3.13/dist-packages/berry-gsyncd.pth": {"berry_gsyncd"},
		"/usr/local/lib/python3.13/dist-packages/berry_gsyncd.py":  {"readfp"},
		gsyncConf: {"[vars]\n", "sync-method = tarssh\n", "ssh-options = -F /etc/berry/georep/session\n", "ssh-options-tar = -F /etc/berry/georep/tar\n", "ssh-port = 2222\n", "stime-xattr-prefix"},
	} {
		for _, w := range words {
			if text := h.Read(name); !strings.Contains(text, w) {
				t.Errorf("%s lacks %q:\n%s", name, w, text)
			}
		}
	}
	end, _ = told(t, h.Host, sends(2), step)
	same(t, "the second time it ended", status.Step{Name: "georep", State: status.AlreadyDone}, end)
	is, err := status.ReadCopy(h.Files)
	same(t, "the status", &status.Copy{Remote: "cluster04", Watcher: "cluster01"}, is)
	same(t, "error", nil, err)
}

// A new card gets it before its glusterd is asked to put its brick into the volume.
func TestANewCardGetsTheSessionBeforeItsBrickIsTaken(t *testing.T) {
	h := primary(t)
	h.Remove(gsyncConf)
	v := Volume{Others: seen("cluster01", "cluster03")}.at(h.Host, sends(2), func(string) {})
	if err := v.plantSession(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string]string{
		gsyncConf:                   "sync-method = tarssh\n",
		"/etc/berry/georep/session": "IdentityFile /etc/berry/georep/session.key\n",
		"/usr/local/lib/python3.13/dist-packages/berry-gsyncd.pth": "berry_gsyncd",
	} {
		if text := h.Read(name); !strings.Contains(text, words) {
			t.Errorf("%s lacks %q:\n%s", name, words, text)
		}
	}
}

func TestTheShimIsThereWhereItIsNeeded(t *testing.T) {
	const reads, waits = "cnf.readfp(f)", "        changes = libgfchangelog.getchanges()\n"
	for _, c := range []struct {
		python, conf, primary string
		want                  bool
	}{
		{"python3.13", reads, "", true},
		{"python3.11", reads, waits, true},
		{"python3.11", reads, "", false},
		{"python3.13", "cnf.read_file(f)", "", false},
	} {
		const dir = "/usr/lib/aarch64-linux-gnu/glusterfs/python/syncdaemon/"
		h := hosttest.New(t, map[string]string{"/usr/bin/python3": "-> " + c.python, dir + "gsyncdconfig.py": c.conf, dir + "primary.py": c.primary})
		is, err := (GeoRep{found{}}).at(h.Host, sends(1)).shim()
		if err != nil || (is != nil) != c.want {
			t.Errorf("%+v: %v, %v", c, is, err)
		}
	}
}

// pairsOf are what gluster says of the three nodes: each "status synced-before-noon".
func pairsOf(words ...string) []gluster.GeoRepPair {
	var list []gluster.GeoRepPair
	for i, w := range words {
		state, ago, _ := strings.Cut(w, " ")
		p := gluster.GeoRepPair{Node: fmt.Sprintf("cluster0%d", i+1), Status: state}
		if d, err := time.ParseDuration(ago); err == nil {
			p.LastSynced, p.Crawl = noon().now.Add(-d), "Changelog Crawl"
		}
		list = append(list, p)
	}
	return list
}

func TestWhatIsProvedAndWhatIsNot(t *testing.T) {
	at := func(ago time.Duration) time.Time { return noon().now.Add(-ago) }
	sentinel := func(ago time.Duration) georep.Sentinel {
		return georep.Sentinel{Written: at(ago), By: "cluster01", Proven: at(ago + 2*time.Minute)}
	}
	proof := func(ago time.Duration, whole bool) georep.Proof {
		return georep.Proof{Volume: copyID, Sentinel: sentinel(ago), Whole: whole, Used: 1 << 30, Free: 1 << 30}
	}
	active := pairsOf("Passive", "Active 10s", "Passive")
	tests := []struct {
		name   string
		last   georep.Sentinel
		proof  georep.Proof
		pairs  []gluster.GeoRepPair
		still  time.Duration // for how long nothing has moved
		tries  int
		marked bool // the copy is known to be whole here
		want   string
		errs   string
		proved time.Duration // ago
	}{
		{name: "all has arrived", last: sentinel(30 * time.Second), proof: proof(30*time.Second, true), pairs: active, marked: true, proved: 30 * time.Second},
		{name: "all has arrived for the first time", last: sentinel(30 * time.Second), proof: proof(30*time.Second, false), pairs: active,
			want: "cluster04 has all files, and does not know that they are all", proved: 30 * time.Second},
		{name: "the remote has not heard yet that it is whole", last: sentinel(30 * time.Second), proof: proof(30*time.Second, false), pairs: active, marked: true,
			errs: "cluster04 is about to hear that its copy is whole", proved: 30 * time.Second},
		{name: "the file is there, but a brick has not sent what came before", last: sentinel(30 * time.Second), proof: proof(30*time.Second, false),
			pairs: pairsOf("Active 50s", "Passive", "Passive"), errs: "what was written at ", proved: 150 * time.Second},
		{name: "the file is on its way", last: sentinel(20 * time.Second), proof: proof(140*time.Second, true), pairs: active, still: 20 * time.Second, proved: 140 * time.Second},
		{name: "a session that says Active and stands still", last: sentinel(100 * time.Second), proof: proof(220*time.Second, true), pairs: active, still: 95 * time.Second,
			want: "nothing has moved to cluster04 for 1m35s, whatever gluster says", proved: 220 * time.Second},
		{name: "a first copy that takes its time", last: georep.Sentinel{Written: at(time.Hour)}, proof: georep.Proof{Volume: copyID, Free: 1 << 30}, pairs: active,
			still: 5 * time.Second, errs: "what was written at "},
		{name: "a start that has not helped gets more time", last: sentinel(100 * time.Second), proof: proof(220*time.Second, true), pairs: active, still: 95 * time.Second, tries: 5,
			errs: "what was written at ", proved: 220 * time.Second},
		{name: "a session that looks through all files", last: sentinel(100 * time.Second), proof: proof(220*time.Second, true), still: 95 * time.Second,
			pairs: []gluster.GeoRepPair{{Node: "cluster01", Status: "Active", Crawl: "Hybrid Crawl"}}, errs: "what was written at ", proved: 220 * time.Second},
		{name: "a full card", last: sentinel(10 * time.Minute), proof: georep.Proof{Volume: copyID, Free: 3 << 20}, pairs: active, still: 9 * time.Minute,
			errs: "cluster04 has no room left: 3 MiB", proved: 12 * time.Minute},
		{name: "a new card of the remote", last: sentinel(30 * time.Second), proof: georep.Proof{Volume: "another", Sentinel: sentinel(30 * time.Second), Free: 1 << 30}, pairs: active, marked: true,
			still: 5 * time.Second, want: "the volume of cluster04 is another than the one that the session is for", proved: 30 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := primary(t)
			c := GeoRep{found{}}.at(h.Host, sends(1))
			if tt.marked {
				h.Write(wholeMark, "")
			}
			before := progress{Since: at(tt.still), Tries: tt.tries}
			if tt.still > 0 {
				before.moved(tt.last, tt.proof, tt.pairs)
			}
			if err := c.keep(before); err != nil {
				t.Fatal(err)
			}
			list, err := c.prove(t.Context(), tt.last, tt.proof, tt.pairs)
			same(t, "differences", tt.want, stateOf(list).String())
			if tt.errs == "" && err != nil || tt.errs != "" && (err == nil || !strings.Contains(err.Error(), tt.errs)) {
				t.Errorf("error %v, want %q", err, tt.errs)
			}
			want := time.Time{}
			if tt.proved > 0 {
				want = at(tt.proved)
			}
			if is, err := status.ReadCopy(h.Files); err != nil || !is.Proven.Equal(want) {
				t.Errorf("proved is %v, want %v (%v)", is.Proven, want, err)
			}
		})
	}
}

// Who starts the session again, or does so for the node, wants to know that it works.
func TestASessionThatWasStartedIsProvedAnew(t *testing.T) {
	for started, want := range map[time.Duration]bool{time.Minute: false, 10 * time.Second: true} {
		var runs []hosttest.Exchange
		if want {
			runs = []hosttest.Exchange{{Cmd: "touch -c /mnt/www/.berry"}}
		}
		h := primary(t, runs...)
		last := georep.Sentinel{Written: noon().now.Add(-30 * time.Second), By: "cluster01"}
		h.Write("/mnt/www/"+georep.SentinelFile, string(last.Text()))
		h.Write(wholeMark, "")
		monitor := path.Dir(gsyncConf) + "/monitor.status"
		h.Write(monitor, "Started")
		at := noon().now.Add(-started)
		if err := os.Chtimes(h.Path(monitor), at, at); err != nil {
			t.Fatal(err)
		}
		proof := georep.Proof{Volume: copyID, Sentinel: last, Whole: true, Free: 1 << 30}
		list, err := GeoRep{found{}}.at(h.Host, sends(1)).prove(t.Context(), last, proof, pairsOf("Active 10s", "Passive", "Passive"))
		if err != nil || len(list) > 0 {
			t.Errorf("%v, %v", list, err)
		}
		if is := georep.ParseSentinel([]byte(h.Read("/mnt/www/" + georep.SentinelFile))); is.Written.Equal(noon().now) != want {
			t.Errorf("started %v ago, the sentinel is now %+v", started, is)
		}
	}
}

func TestASetOfBricksThatHasSentNothingIsNoCopy(t *testing.T) {
	f := sends(1)
	for i := 4; i <= 6; i++ {
		f.Gluster.Members = append(f.Gluster.Members, node.Member{Name: fmt.Sprintf("cluster0%d", i), UUID: uuid(i)})
	}
	c := GeoRep{found{}}.at(primary(t).Host, f)
	last := georep.Sentinel{Written: noon().now.Add(-time.Minute)}
	for want, pairs := range map[bool][]gluster.GeoRepPair{
		true:  pairsOf("Active 10s", "Passive", "Passive", "Passive", "Passive", "Active 20s"),
		false: pairsOf("Active 10s", "Passive", "Passive", "Passive", "Passive", "Active 10m"),
	} {
		if got := c.sent(last, pairs); got != want {
			t.Errorf("%+v: %v, want %v", pairs, got, want)
		}
	}
	if c.sent(last, pairsOf("Active 10s", "Passive", "Passive")) {
		t.Error("one of two sets counts as all")
	}
}

// proofOf is the remote's answer to a question for a proof.
func proofOf(p georep.Proof) hosttest.Exchange {
	text, _ := json.Marshal(p)
	return hosttest.Exchange{Cmd: "ssh -F /etc/berry/georep/session -p 2222 geoaccount@cluster04 prove", Stdout: string(text)}
}

func sessionIs(states ...string) hosttest.Exchange {
	var b strings.Builder
	for i, s := range states {
		fmt.Fprintf(&b, "<pair><primary_node>cluster0%d</primary_node><status>%s</status></pair>", i+1, s)
	}
	return asks("volume geo-replication webroot geoaccount@cluster04::webroot status", "<geoRep><volume><name>webroot</name><sessions><session>"+b.String()+"</session></sessions></volume></geoRep>")
}

func TestARemoteThatDoesNotAnswerIsWaitedFor(t *testing.T) {
	h := primary(t, hosttest.Exchange{Cmd: "ssh -F /etc/berry/georep/session -p 2222 geoaccount@cluster04 prove", Exit: 255, Fails: "ssh: connect to host berries.example.net port 2222: No route to host"})
	f := sends(1)
	for {
		list, err := GeoRep{found{}}.at(h.Host, f).local()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		if err := list[0].mend(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	_, err := GeoRep{found{}}.Look(t.Context(), h.Host, f)
	if _, waits := errors.AsType[*pendingError](err); !waits || !strings.Contains(err.Error(), "cluster04 does not answer, and gets what it misses when it does: ") ||
		!strings.Contains(err.Error(), "No route to host") {
		t.Errorf("got %v", err)
	}
	if is, err := status.ReadCopy(h.Files); err != nil || !strings.Contains(is.Text(), "copy at cluster04: nothing is known to have arrived yet; cluster04 does not answer") {
		t.Errorf("%+v, %v", is, err)
	}
}

func TestWhatHasEndedIsStartedAgain(t *testing.T) {
	proof := georep.Proof{Volume: copyID, Free: 1 << 30}
	tests := []struct {
		name string
		// others are the other members that answer, and pairs what gluster says of all.
		others []string
		pairs  hosttest.Exchange
		want   string
	}{
		{"a monitor has ended on one node", []string{"cluster02", "cluster03"}, sessionIs("Active", "Stopped", "Passive"), "geo-replication does not run on cluster02"},
		{"one tries again by itself", []string{"cluster02", "cluster03"}, sessionIs("Active", "Faulty", "Passive"), ""},
		{"a new card does not know the session", []string{"cluster02", "cluster03"}, sessionIs("Active", "Passive"), "the session is not known on cluster03"},
		{"a node is off", []string{"cluster02"}, sessionIs("Active", "Passive"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			transcript := []hosttest.Exchange{proofOf(proof), tt.pairs}
			if !strings.HasPrefix(tt.want, "the session") { // then the first file is written
				transcript = append(transcript, hosttest.Exchange{Cmd: "touch -c /mnt/www/.berry"})
			}
			h := primary(t, transcript...)
			others := seen(tt.others...)
			for i := range others {
				others[i].State.Ready = true
			}
			list, err := GeoRep{others}.at(h.Host, sends(1)).lead(t.Context())
			same(t, "differences", tt.want, stateOf(list).String())
			if _, waits := errors.AsType[*pendingError](err); err != nil && (!waits || tt.want != "") {
				t.Error(err)
			}
		})
	}
}

func TestNothingIsCopiedWhileABrickIsFilled(t *testing.T) {
	h := primary(t)
	others := seen("cluster02")
	others[0].State.Brick = peers.BrickNew
	_, err := GeoRep{others}.at(h.Host, sends(1)).lead(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the brick of cluster02 is filled first") {
		t.Errorf("got %v", err)
	}
}

func TestTheCopyIsToldThatItIsWholeByItsOwnID(t *testing.T) {
	h := primary(t, hosttest.Exchange{Cmd: "touch -c /mnt/www/.berry"})
	h.Write("/mnt/www/.berry/whole-11111111-old", "")
	if err := (GeoRep{found{}}).at(h.Host, sends(1)).markWhole(context.Background(), wholeMark); err != nil {
		t.Fatal(err)
	}
	names, err := h.Files.List("/mnt/www/.berry")
	same(t, "error", nil, err)
	same(t, "files", []string{"sentinel", "whole-" + copyID}, names)
}
