package page

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/report"
	"berries/firstboot/status"
)

// at is a node that stands somewhere.
func at(name, role, words string, ready bool, steps ...status.Step) report.Node {
	return report.Node{Name: name, Role: role, Report: &report.Report{
		Status: status.Status{Ready: ready, Steps: steps}, Words: words,
		Addresses: []netip.Addr{netip.MustParseAddr("192.168.2.5")}, Versions: map[string]string{"glusterfs": "11.1", "berry-firstboot": "v1"},
	}}
}

func TestStates(t *testing.T) {
	failed := status.Step{Name: "card", State: status.Failed}
	for _, tt := range []struct {
		of   report.Node
		want cell
	}{
		{at("n1", "storage", "ready", true), good("ready")},
		{at("n1", "storage", "ready, but: ports: no router", true, failed), mind("ready, but: ports: no router")},
		{at("n1", "storage", "step 5/10 peers: waiting for n2", false), busy("step 5/10 peers: waiting for n2")},
		{at("n1", "storage", "step 2/10 card: failed: it is gone", false, failed), bad("step 2/10 card: failed: it is gone")},
		{at("n1", "storage", "", false), busy("starting")},
		{report.Node{Name: "n1", Silent: "no answer within 3s"}, bad("silent: no answer within 3s")},
		{report.Node{Name: "n1"}, bad("silent: it does not answer")},
	} {
		if got := newRow(tt.of).Cells[0]; got != tt.want {
			t.Errorf("%+v: got %v, want %v", tt.of, got, tt.want)
		}
	}
}

func TestCells(t *testing.T) {
	none, one, many := 0, 1, 12
	for _, tt := range []struct {
		name      string
		got, want cell
	}{
		{"a brick", brick(&report.Brick{State: "online", Used: 3 << 30, Size: 28 << 30}), good("online, 10% of 28.0 GiB used")},
		{"a small brick that is filled", brick(&report.Brick{State: "filling", Used: 1 << 20, Size: 256 << 20}), busy("filling, 0% of 256 MiB used")},
		{"a brick that nobody could look into", brick(&report.Brick{State: "offline"}), bad("offline")},
		{"no brick", brick(nil), nothing},
		{"nothing to heal", heal(&none), good("nothing")},
		{"one entry to heal", heal(&one), busy("1 entry")},
		{"much to heal", heal(&many), busy("12 entries")},
		{"a node that heals nothing", heal(nil), nothing},
		{"the active session", copied(&report.GeoRep{State: "Active"}), good("Active")},
		{"a session that is not proved", copied(&report.GeoRep{State: "Active", Words: "nothing arrives"}), mind("Active: nothing arrives")},
		{"a faulty session", copied(&report.GeoRep{State: "Faulty"}), bad("Faulty")},
		{"a session that starts", copied(&report.GeoRep{State: "Initializing..."}), busy("Initializing...")},
		{"a copy that is behind", copied(&report.GeoRep{State: "behind"}), mind("behind")},
		{"a whole copy", copied(&report.GeoRep{State: "whole"}), good("whole")},
		{"no copy", copied(nil), nothing},
		{"a web server", web(&report.Web{Port: 8081, Code: 200, Serving: true}), good("serves at port 8081")},
		{"a web server without its volume", web(&report.Web{Port: 8081, Code: 503}), bad("answers 503 at port 8081")},
		{"a web server that is off", web(&report.Web{Port: 8081}), bad("nobody answers at port 8081")},
		{"no web server", web(nil), nothing},
		{"versions", versions(map[string]string{"linux": "6.12", "berry-firstboot": "v1"}), cell{Text: "berry-firstboot v1, linux 6.12"}},
		{"no versions", versions(nil), nothing},
		{"an address", reached(report.Report{Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.83.0.1"), netip.MustParseAddr("fe80::1")}}), cell{Text: "10.0.0.1, 10.83.0.1"}},
		{"no address", reached(report.Report{}), nothing},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
}

func TestAViewOfTheWhole(t *testing.T) {
	ready, silent := at("n1", "storage", "ready", true), report.Node{Name: "n2", Role: "storage", Silent: "it is silent"}
	for want, nodes := range map[string][]report.Node{
		"all 2 nodes are ready":              {ready, ready},
		"1 of 2 nodes are ready; silent: n2": {ready, silent},
		"0 of 1 nodes are ready":             {at("n1", "storage", "step 1/10 identity: running", false)},
	} {
		if got := summary(nodes); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	got := newView(report.Cluster{Name: "berries", From: "n1", Nodes: []report.Node{ready, silent}})
	want := view{
		Cluster: "berries", From: "n1", Title: "berries: 1 of 2 nodes are ready; silent: n2", Summary: "1 of 2 nodes are ready; silent: n2",
		Rows: []row{
			{"n1", "storage", []cell{good("ready"), {Text: "192.168.2.5"}, nothing, nothing, nothing, nothing, {Text: "berry-firstboot v1, glusterfs 11.1"}}},
			{"n2", "storage", []cell{bad("silent: it is silent"), nothing, nothing, nothing, nothing, nothing, nothing}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, r := range got.Rows {
		if len(r.Cells) != len(columns) {
			t.Errorf("%s has %d cells, and there are %d columns", r.Name, len(r.Cells), len(columns))
		}
	}
}
