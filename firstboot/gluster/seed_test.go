package gluster

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/node"
)

func TestInfoIsWrittenAndRead(t *testing.T) {
	i := Info{UUID: uuid1, OperatingVersion: 110000}
	const want = "UUID=5519de42-9659-4e10-9b4f-161139149d0f\noperating-version=110000\n"
	if got := i.Text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, err := ParseInfo(want); got != i || err != nil {
		t.Errorf("read %v, %v", got, err)
	}
}

func TestPeerFileIsWrittenAndRead(t *testing.T) {
	p := PeerFile{UUID: uuid2, State: PeerInCluster, Hostnames: []string{"cluster02"}}
	const want = "uuid=1e8c9832-ba20-4b0f-ac7f-baa9b32ca8b0\nstate=3\nhostname1=cluster02\n"
	if got := p.Text(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := p.Path(), "/var/lib/glusterd/peers/1e8c9832-ba20-4b0f-ac7f-baa9b32ca8b0"; got != want {
		t.Errorf("path %s, want %s", got, want)
	}
	met := PeerFile{UUID: uuid2, State: PeerRejected, Hostnames: []string{"cluster02", "192.168.2.5"}}
	for _, p := range []PeerFile{p, met} {
		got, err := ParsePeerFile(p.Text())
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(p, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestInfoRefusesWhatGlusterdWould(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", `operating-version "" is not a number`},
		{"half a file", "UUID=" + uuid1 + "\noperating", `line 2: "operating" is not a new name=value`},
		{"a name twice", "UUID=" + uuid1 + "\nUUID=" + uuid2 + "\n",
			`line 2: "UUID=1e8c9832-ba20-4b0f-ac7f-baa9b32ca8b0" is not a new name=value`},
		{"no number", "UUID=" + uuid1 + "\noperating-version=new\n", `operating-version "new" is not a number`},
		{"an old one", "UUID=" + uuid1 + "\noperating-version=31202\n", "operating-version is 31202, want at least 100000"},
		{"no UUID", "operating-version=100000\n", `"" is not a UUID in lower case`},
		{"the UUID of nobody", "UUID=00000000-0000-0000-0000-000000000000\noperating-version=100000\n",
			`"00000000-0000-0000-0000-000000000000" is not a UUID in lower case`},
	}
	for _, tt := range tests {
		if _, err := ParseInfo(tt.text); message(err) != tt.want {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestPeerFileRefusesWhatGlusterdWould(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", `state "" is not a number`},
		{"half a file", "uuid=" + uuid2 + "\nsta", `line 2: "sta" is not a new name=value`},
		{"no host name", "uuid=" + uuid2 + "\nstate=3\n", "peer " + uuid2 + " has the state 3 and 0 host names"},
		{"no state of glusterd's", "uuid=" + uuid2 + "\nstate=-1\nhostname1=a\n", "peer " + uuid2 + " has the state -1 and 1 host names"},
		{"two names in one", "uuid=" + uuid2 + "\nstate=3\nhostname1=a b\n", "peer " + uuid2 + `: "a b" is not a host name`},
		{"no UUID", "uuid=cluster02\nstate=3\nhostname1=a\n", `"cluster02" is not a UUID in lower case`},
	}
	for _, tt := range tests {
		if _, err := ParsePeerFile(tt.text); message(err) != tt.want {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSeeds(t *testing.T) {
	members := []node.Member{{Name: "cluster01", UUID: uuid1}, {Name: "cluster02", UUID: uuid2}}
	got, err := Seeds("cluster02", members, Version{11, 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []File{
		{"/var/lib/glusterd/secure-access", ""},
		{"/var/lib/glusterd/peers/" + uuid1, "uuid=" + uuid1 + "\nstate=3\nhostname1=cluster01\n"},
		{"/var/lib/glusterd/glusterd.info", "UUID=" + uuid2 + "\noperating-version=110000\n"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := Seeds("cluster02", members, Version{9, 6}); err == nil {
		t.Error("a release that nobody knows the operating version of is taken")
	}
}
