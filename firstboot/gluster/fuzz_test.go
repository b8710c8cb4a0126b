package gluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// seeds are all samples, and the half that is there of each when gluster is stopped.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	names, err := filepath.Glob("testdata/*/*" + pattern + "*")
	if err != nil || len(names) == 0 {
		f.Fatalf("no samples (%v)", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		f.Add(data[:len(data)/2])
	}
}

// elements bounds what an answer may become: every item of a list takes an element
// of it.
func elements(t *testing.T, out []byte, items int) {
	t.Helper()
	if most := strings.Count(string(out), "<"); items > most {
		t.Errorf("%d items out of %d elements", items, most)
	}
}

// FuzzPeers holds that nothing gluster says makes the parser panic or the list
// longer than it, and that only a peer of a known state is ready.
func FuzzPeers(f *testing.F) {
	seeds(f, "p")
	f.Fuzz(func(t *testing.T, out []byte) {
		var a peersAnswer
		if decode(out, &a) != nil {
			return
		}
		list := a.peers()
		elements(t, out, len(list))
		for _, p := range list {
			if len(p.Hostnames) == 0 || p.Ready() && !p.Local && p.State != PeerInCluster {
				t.Errorf("%+v", p)
			}
		}
	})
}

// FuzzVolumes holds that nothing makes the parser panic or the lists longer than
// what it was given, and that volumes of such answers can be compared with a status.
func FuzzVolumes(f *testing.F) {
	seeds(f, "volume")
	f.Fuzz(func(t *testing.T, out []byte) {
		var a volumesAnswer
		if decode(out, &a) != nil {
			return
		}
		for _, v := range a.volumes() {
			elements(t, out, len(v.Bricks)+len(v.Options))
			if got := (Status{}).Offline(v); len(got) != len(v.Bricks) {
				t.Errorf("%d of %d bricks are offline where nothing runs", len(got), len(v.Bricks))
			}
		}
	})
}

// FuzzStatus holds the same for a status, and that every number in it is one.
func FuzzStatus(f *testing.F) {
	seeds(f, "status")
	f.Fuzz(func(t *testing.T, out []byte) {
		var a statusAnswer
		if decode(out, &a) != nil {
			return
		}
		for _, s := range a.statuses() {
			elements(t, out, len(s.Bricks)+len(s.SelfHeal))
			for _, p := range append(s.Bricks, s.SelfHeal...) {
				if p.Port < Unknown || p.PID < Unknown {
					t.Errorf("%+v", p)
				}
			}
		}
	})
}

// FuzzHeal holds that a volume is healed only where every brick says so.
func FuzzHeal(f *testing.F) {
	seeds(f, "heal")
	f.Fuzz(func(t *testing.T, out []byte) {
		var a healAnswer
		if decode(out, &a) != nil {
			return
		}
		h := a.heal()
		elements(t, out, len(h))
		for _, b := range h {
			if h.Healed() && (b.Entries != 0 || !b.Connected) {
				t.Errorf("%+v is healed", b)
			}
			elements(t, out, len(b.Files))
		}
	})
}

// FuzzGeoRep holds that nothing makes the parser panic or invent numbers.
func FuzzGeoRep(f *testing.F) {
	seeds(f, "georep")
	f.Fuzz(func(t *testing.T, out []byte) {
		var a geoRepAnswer
		if decode(out, &a) != nil {
			return
		}
		list := a.pairs()
		elements(t, out, len(list))
		for _, p := range list {
			if min(p.Entry, p.Data, p.Meta, p.Failures) < Unknown {
				t.Errorf("%+v", p)
			}
		}
	})
}

// FuzzVersion holds that a version that is read gives an operating version within
// bounds, or an error.
func FuzzVersion(f *testing.F) {
	seeds(f, "version")
	f.Fuzz(func(t *testing.T, out []byte) {
		v, err := parseVersion(string(out))
		if n, refused := v.OperatingVersion(); err == nil && refused == nil && (n < 100000 || n > 99990000) {
			t.Errorf("%s has the operating version %d", v, n)
		}
	})
}

// FuzzSeedFiles holds that what is read of glusterd's own files is written and read
// again as the same.
func FuzzSeedFiles(f *testing.F) {
	f.Add(Info{uuid1, 110000}.Text())
	f.Add(PeerFile{uuid2, PeerInCluster, []string{"cluster02", "192.168.2.5"}}.Text())
	f.Fuzz(func(t *testing.T, text string) {
		if i, err := ParseInfo(text); err == nil {
			if again, err := ParseInfo(i.Text()); again != i || err != nil {
				t.Errorf("%+v becomes %+v, %v", i, again, err)
			}
		}
		if p, err := ParsePeerFile(text); err == nil {
			again, err := ParsePeerFile(p.Text())
			if diff := cmp.Diff(p, again); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		}
	})
}
