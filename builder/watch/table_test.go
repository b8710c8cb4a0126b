package watch

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"berries/firstboot/report"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

func number(n int) *int { return &n }

// five is a cluster of which not all is well.
func five() report.Cluster {
	versions := map[string]string{"glusterfs": "11.1", "berry-firstboot": "v0.0.0-20261127100000-a1a6e6112345+dirty"}
	at := func(a string) []netip.Addr { return []netip.Addr{netip.MustParseAddr(a)} }
	return report.Cluster{Name: "berries", From: "cluster01", Nodes: []report.Node{
		{Name: "cluster01", Role: "storage", Report: &report.Report{
			Status: status.Status{Ready: true}, Words: "ready", Addresses: at("192.168.2.5"), Versions: versions,
			Brick: &report.Brick{State: "online", Used: 12, Size: 100}, Heal: number(0), GeoRep: &report.GeoRep{State: "Active"}, Web: &report.Web{Code: 200, Serving: true}}},
		{Name: "cluster02", Role: "storage", Report: &report.Report{
			Words: "step 5/10 peers: waiting for cluster03", Addresses: at("192.168.2.6"), Versions: versions,
			Brick: &report.Brick{State: "offline"}, Heal: number(7), Web: &report.Web{}}},
		{Name: "cluster03", Role: "storage", Silent: "cluster01 says: it is silent"},
		{Name: "cluster04", Role: "remote", Report: &report.Report{
			Status: status.Status{Ready: true}, Words: "ready, but: ddclient: the provider says \x1b[2Jbadauth", Addresses: at("10.0.0.9"),
			GeoRep: &report.GeoRep{State: "behind", Words: "the copy is not whole yet"}, Web: &report.Web{Code: 503}}},
		{Name: "balancer", Role: "balancer", Report: &report.Report{
			Words: "step 2/4 packages: failed: no room", Versions: map[string]string{"berry-firstboot": "v1.2.3"}, Web: &report.Web{Code: 301, Serving: true}}},
	}}
}

const table = `NODE       ROLE      STATE            BRICK       HEAL  COPY    WEB               ADDRESS      GLUSTER  BERRY
cluster01  storage   ready            online 12%  0     Active  200               192.168.2.5  11.1     a1a6e61+
cluster02  storage   step 5/10        offline     7     -       no answer         192.168.2.6  11.1     a1a6e61+
cluster03  storage   silent           -           -     -       -                 -            -        -
cluster04  remote    ready            -           -     behind  503, not serving  10.0.0.9     -        -
balancer   balancer  step 2/4 failed  -           -     -       301               -            -        v1.2.3

cluster02: step 5/10 peers: waiting for cluster03
cluster03: cluster01 says: it is silent
cluster04: ddclient: the provider says  [2Jbadauth
cluster04: the copy is not whole yet
balancer: step 2/4 packages: failed: no room
`

func TestTable(t *testing.T) {
	if diff := cmp.Diff(table, strings.Join(Table(five(), false), "\n")+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whoever sees no colours is told the same.
func TestColoursSayNothingThatTheWordsDoNot(t *testing.T) {
	got := strings.Join(Table(five(), true), "\n") + "\n"
	if !strings.Contains(got, "\x1b[32mready\x1b[0m ") || !strings.Contains(got, "\x1b[31msilent\x1b[0m ") {
		t.Errorf("there are no colours: %q", got)
	}
	if diff := cmp.Diff(table, escape.ReplaceAllString(got, "")); diff != "" {
		t.Errorf("without colours (-want +got):\n%s", diff)
	}
}

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// What is drawn again covers what was there, on a narrow terminal too.
func TestScreenStaysInItsPlace(t *testing.T) {
	var out strings.Builder
	s := &Screen{W: &out, Width: func() int { return 40 }, Colour: true}
	if err := s.Show(five(), noon); err != nil {
		t.Fatal(err)
	}
	first := out.String()
	out.Reset()
	for line := range strings.Lines(first) {
		if n := len([]rune(escape.ReplaceAllString(strings.TrimSuffix(line, "\n"), ""))); n > 40 {
			t.Errorf("a line of %d columns: %q", n, line)
		}
		if strings.Count(line, "\x1b[3") != strings.Count(line, "\x1b[0m") {
			t.Errorf("a colour does not end: %q", line)
		}
	}
	if err := s.Show(five(), noon); err != nil {
		t.Fatal(err)
	}
	if want := "\x1b[14A\x1b[J" + first; out.String() != want || strings.Count(first, "\n") != 14 {
		t.Errorf("drawn again: %q, want %q", out.String(), want)
	}
}

func TestCut(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"whole", 5, "whole"},
		{"whole", 0, "whole"},
		{"longer", 5, "long…"},
		{"ö\x1b[31mred\x1b[0m end", 3, "ö\x1b[31mr…\x1b[0m"},
		{"\x1b[31mred\x1b[0m", 3, "\x1b[31mred\x1b[0m"},
	} {
		if got := cut(tt.line, tt.width); got != tt.want {
			t.Errorf("%q in %d columns: got %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}

func TestLinesTellWhatChanges(t *testing.T) {
	var out strings.Builder
	l := &Lines{W: &out}
	c := five()
	c.Nodes = c.Nodes[:3]
	for range 2 {
		if err := l.Show(c, noon); err != nil {
			t.Fatal(err)
		}
	}
	c.Nodes[2] = report.Node{Name: "cluster03", Role: "storage", Report: &report.Report{Words: "step 1/10 identity: running"}}
	if err := l.Show(c, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	want := `12:00:00 cluster01: role storage; state ready; brick online 12%; heal 0; copy Active; web 200; address 192.168.2.5; gluster 11.1; berry a1a6e61+
12:00:00 cluster02: role storage; state step 5/10; brick offline; heal 7; web no answer; address 192.168.2.6; gluster 11.1; berry a1a6e61+; step 5/10 peers: waiting for cluster03
12:00:00 cluster03: role storage; state silent; cluster01 says: it is silent
12:00:01 cluster03: role storage; state step 1/10; step 1/10 identity: running
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
