package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/node"
)

func TestEveryNodeIsToldTheTunnelWithoutKeys(t *testing.T) {
	want := &node.Tunnel{Network: "10.83.0.0/24", Hub: "balancer", Host: "balancer.example.net", Port: 51820, Ends: []node.End{
		{Name: "cluster01", Address: "10.83.0.1"}, {Name: "cluster02", Address: "10.83.0.2"}, {Name: "cluster03", Address: "10.83.0.3"},
		{Name: "cluster04", Address: "10.83.0.4"}, {Name: "balancer", Address: "10.83.0.5"},
	}}
	p := planned(t, load(t, "berries"))
	for _, img := range p.Images {
		if diff := cmp.Diff(want, img.NodeFile.Tunnel); diff != "" {
			t.Errorf("%s (-want +got):\n%s", img.Node, diff)
		}
		if !slices.Contains(img.Packages.Install, "wireguard-tools") || !slices.Contains(p.Roles[string(img.Role)], "wireguard-go") {
			t.Errorf("%s installs %v", img.Node, img.Packages.Install)
		}
	}
	for _, m := range p.Images[4].NodeFile.Balancer.Members {
		if i := slices.IndexFunc(want.Ends, func(e node.End) bool { return e.Name == m.Name }); m.Host != want.Ends[i].Address {
			t.Errorf("the balancer reaches %s at %s", m.Name, m.Host)
		}
	}
}

// With tunnel: none nodes of other houses are reached by names of their routers, at
// forwarded ports.
func TestTunnelNone(t *testing.T) {
	p := planned(t, load(t, apart))
	for i, img := range p.Images {
		f := img.NodeFile
		if f.Tunnel != nil || slices.Contains(img.Packages.Install, "wireguard-tools") {
			t.Errorf("%s: %v, %v", img.Node, f.Tunnel, img.Packages.Install)
		}
		if (f.GeoRep != nil) != (i < 3) || (f.Secondary != nil) != (i == 3) {
			t.Errorf("%s: %v, %v", img.Node, f.GeoRep, f.Secondary)
		}
		if g := f.GeoRep; g != nil && (g.Host != "far.example.net" || g.Port != 22) {
			t.Errorf("%s reaches the remote node at %s, port %d", img.Node, g.Host, g.Port)
		}
	}
	want := []node.Server{
		{Name: "cluster01", Host: "home.example.net", Port: 8081}, // the name that it keeps
		{Name: "cluster02", Host: "home.example.net", Port: 8082},
		{Name: "cluster03", Host: "192.168.2.7", Port: 8083}, // in one network with the balancer
		{Name: "cluster04", Host: "far.example.net", Port: 8480},
	}
	if diff := cmp.Diff(want, p.Images[4].NodeFile.Balancer.Members); diff != "" {
		t.Errorf("the balancer's members (-want +got):\n%s", diff)
	}
}

func TestTheHubsRouterForwardsTheTunnelsPort(t *testing.T) {
	web := func(port int) node.Port { return node.Port{For: node.WebPort, Number: port} }
	want := [][]node.Port{{web(8081)}, {web(8082)}, {web(8083)}, {web(8480), {For: node.TunnelPort, Number: 51820}}}
	for i, img := range planned(t, load(t, "two-houses")).Images {
		if diff := cmp.Diff(want[i], img.NodeFile.Ports); diff != "" {
			t.Errorf("%s (-want +got):\n%s", img.Node, diff)
		}
	}
}

func TestWithoutATunnelNothingIsInstalledForOne(t *testing.T) {
	for _, img := range planned(t, load(t, "three-storage")).Images {
		if img.NodeFile.Tunnel != nil || slices.Contains(img.Packages.Install, "wireguard-tools") {
			t.Errorf("%s: %v, %v", img.Node, img.NodeFile.Tunnel, img.Packages.Install)
		}
	}
}
