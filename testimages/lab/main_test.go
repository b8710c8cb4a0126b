package main

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"berries/testimages/lab/cluster"
)

// TestMain lets this test binary be the program: exec becomes another one.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"lab": main})
}

// Each script is a transcript of what a person types and sees, where no lab is up.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script"})
}

func TestTable(t *testing.T) {
	states := []cluster.State{
		{Name: "cluster01", Role: "storage", State: cluster.Ready, Address: netip.MustParseAddr("192.168.2.11")},
		{Name: "cluster02", Role: "storage", State: cluster.Working, Step: "step 2/3 card: running", Unplugged: true,
			Address: netip.MustParseAddr("192.168.2.12")},
		{Name: "cluster04", Role: "remote", State: cluster.Off},
	}
	want := `NODE       ROLE     ADDRESS       STATE
cluster01  storage  192.168.2.11  ready
cluster02  storage  unplugged     step 2/3 card: running
cluster04  remote   -             off
`
	if diff := cmp.Diff(want, table(states)); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
}

func TestDraw(t *testing.T) {
	const before, after = "NODE\na  off\nb  off\n", "NODE\na  off\nb  ready\n"
	tests := []struct {
		name     string
		terminal bool
		want     string
	}{
		{"a terminal shows one table", true, noWrap + before + wrap + "\x1b[3A\x1b[J" + noWrap + after + wrap},
		{"a log gets what is new", false, before + "b  ready\n"},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		e := &env{stdout: &out, terminal: tt.terminal}
		e.draw("", before)
		e.draw(before, after)
		if diff := cmp.Diff(tt.want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestChoose(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.img", "a.img", "a.img.bmap"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a, b := filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")
	tests := []struct {
		nodes, want []string
		err         string
	}{
		{nil, []string{a, b}, ""},
		{[]string{"b"}, []string{b}, ""},
		{[]string{"b", "a", "b"}, []string{a, b}, ""},
		{[]string{"a", "c"}, nil, "there is no image of c in " + dir},
	}
	for _, tt := range tests {
		got, err := choose(dir, tt.nodes)
		if diff := cmp.Diff(tt.want, got); diff != "" || (err == nil) != (tt.err == "") || err != nil && err.Error() != tt.err {
			t.Errorf("%v: error %v (-want +got):\n%s", tt.nodes, err, diff)
		}
	}
}
