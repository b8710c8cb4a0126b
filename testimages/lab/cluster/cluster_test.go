package cluster

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/status"
)

// newFolder is a lab's folder with nodes in it, without the lab.
func newFolder(t *testing.T, nodes ...record) *Lab {
	t.Helper()
	l, err := at(filepath.Join(t.TempDir(), "lab"))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes {
		if err := os.MkdirAll(l.path(nodesDir, n.Name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := l.save(n); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func TestDHCPKnowsNodesByTheirCards(t *testing.T) {
	l := newFolder(t,
		record{Name: "cluster01", Number: 1, Address: home.host(firstHosts + 1)},
		record{Name: "cluster02", Number: 2, Address: home.host(otherHosts + 2)})
	if err := os.Mkdir(l.path(routerDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := l.writeHosts(home); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(l.path(routerDir, "hosts"))
	if err != nil {
		t.Fatal(err)
	}
	want := "02:00:5e:00:02:01,id:*,192.168.2.11\n02:00:5e:00:02:02,id:*,192.168.2.102\n"
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("hosts (-want +got):\n%s", diff)
	}
}

func TestLabsInOtherFoldersHaveOtherNames(t *testing.T) {
	one, other := newFolder(t), newFolder(t)
	if one.Namespace("cluster01") == other.Namespace("cluster01") {
		t.Errorf("both call it %s", one.Namespace("cluster01"))
	}
	if router := one.Namespace(""); one.Namespace("cluster01") != router+"-cluster01" {
		t.Errorf("the router is %s, its node %s", router, one.Namespace("cluster01"))
	}
}

func TestAnUnknownNodeIsAnsweredWithTheKnown(t *testing.T) {
	l := newFolder(t, record{Name: "cluster01"}, record{Name: "cluster02"})
	_, err := l.load("cluster1")
	if want := "there is no node cluster1 in the lab, only cluster01, cluster02"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestALabTakesNoFolderThatIsInUse(t *testing.T) {
	l := newFolder(t, record{Name: "cluster01"})
	if err := l.occupy(); err == nil || !strings.HasSuffix(err.Error(), " is not empty; choose another folder for the lab") {
		t.Errorf("another's folder: error %v", err)
	}
	if _, err := Open(l.dir); err == nil || !strings.HasSuffix(err.Error(), "; type: lab up") {
		t.Errorf("a folder that is no lab can be opened: error %v", err)
	}
	empty := newFolder(t)
	if err := empty.occupy(); err != nil {
		t.Fatal(err)
	}
	if err := empty.occupy(); err == nil || !strings.HasSuffix(err.Error(), " already; type: lab down") {
		t.Errorf("a lab's folder: error %v", err)
	}
}

func TestHierarchies(t *testing.T) {
	const (
		root   = "1 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
		second = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid = "49 33 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n" +
			"40 33 0:28 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n" +
			"50 33 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
	)
	tests := []struct {
		name, mounts string
		want         []string
	}{
		{"the second version alone", root + second, []string{"/sys/fs/cgroup"}},
		{"both", root + hybrid, []string{"/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd"}},
		{"none", root, nil},
	}
	for _, tt := range tests {
		got, err := parseHierarchies(tt.mounts)
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.want != nil) {
			t.Errorf("%s: error %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
}

func TestTheLeaderIsANodesFirstSystemd(t *testing.T) {
	tests := []struct {
		name, status string
		want         bool
	}{
		{"a node's systemd", "Name:\tsystemd\nState:\tS (sleeping)\nNSpid:\t6362\t1\n", true},
		{"not yet systemd", "Name:\t(sd-namespace)\nNSpid:\t6362\t1\n", false},
		{"another process of the node", "Name:\tsystemd\nNSpid:\t6400\t77\n", false},
		{"the first process of a service with a PID namespace", "Name:\tsystemd\nNSpid:\t6400\t77\t1\n", false},
		{"this machine's systemd", "Name:\tsystemd\nNSpid:\t1\n", false},
		{"a process that has ended", "Name:\tsystemd\n", false},
	}
	for _, tt := range tests {
		if got := leads(tt.status); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestTheStepIsTheLastThatHasBegun(t *testing.T) {
	waiting := status.Step{Name: "packages", State: status.Waiting}
	tests := []struct {
		want  string
		steps []status.Step
	}{
		{"", nil},
		{"step 1/1 packages: waiting", []status.Step{waiting}},
		{"step 1/2 card: running", []status.Step{{Name: "card", State: status.Running}, waiting}},
		{"step 1/2 card: failed: no brick", []status.Step{{Name: "card", State: status.Failed, Error: "no brick"}, waiting}},
	}
	for _, tt := range tests {
		if got := step(status.Status{Steps: tt.steps}); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestAStrangerMustBeInTheLAN(t *testing.T) {
	_, err := newFolder(t).Attach(t.Context(), "stranger", netip.MustParseAddr("10.0.0.1"))
	if want := "cannot attach stranger: 10.0.0.1 is not in the LAN, 192.168.2.0/24"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
