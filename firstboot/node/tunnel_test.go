package node

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Keys of nobody.
const (
	oneKey   = "cJIKoOja8mKMBBJdW28UoWOTicLhp4OLdZPlqmgnKGs="
	onePub   = "fnuKBCLf/hoEL37/oB0ImVAkrxjOZHuf1afnMlKUi3o="
	twoPub   = "Ggq7EjXsVPeTamnIdtIA1b/neCYcgessel2hwEgkwWQ="
	threePub = "DR+7MDcMxCoqEOQpqcUIJk+3xau4tjhvMdWGrA/9e30="
)

// joined is a storage node with a tunnel, whose hub is another house's node.
func joined() File {
	f := storage()
	f.Nodes = append(f.Nodes, Node{Name: "cluster04", Role: Remote})
	f.Tunnel = &Tunnel{Network: "10.83.0.0/24", Hub: "cluster04", Host: "berries.example.net", Port: 51820, Key: oneKey, Ends: []End{
		{Name: "cluster01", Address: "10.83.0.1", Key: onePub},
		{Name: "cluster02", Address: "10.83.0.2", Key: twoPub},
		{Name: "cluster04", Address: "10.83.0.4", Key: threePub},
	}}
	return f
}

func TestANodeIsToldItsTunnel(t *testing.T) {
	text, err := Encode(joined())
	if err != nil {
		t.Fatal(err)
	}
	if want := `"tunnel": {
    "network": "10.83.0.0/24",
    "hub": "cluster04",
    "host": "berries.example.net",
    "port": 51820,
    "key": "` + oneKey + `",
    "ends": [
      {
        "name": "cluster01",
        "address": "10.83.0.1",
        "key": "` + onePub + `"
      },`; !strings.Contains(string(text), want) {
		t.Errorf("got\n%s\nwant in it\n%s", text, want)
	}
	got, err := Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(joined(), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = Decode([]byte(strings.Replace(string(text), `"port": 51820,`, "", 1)))
	if want := `tunnel: the field "port" is missing`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOnlyTheHubHasTheTunnelsPortForwarded(t *testing.T) {
	for _, tt := range []struct {
		name, hub string
		ports     []Port
		want      string
	}{
		{"the hub, beside a TCP port of that number", "cluster01", []Port{{SSHPort, 51820}, {TunnelPort, 51820}}, ""},
		{"the hub, twice", "cluster01", []Port{{TunnelPort, 51820}, {TunnelPort, 51820}}, "51820 is listed twice"},
		{"the hub, at another port", "cluster01", []Port{{TunnelPort, 443}}, "443 is not where this node is called for the tunnel"},
		{"a node that calls the hub", "cluster04", []Port{{TunnelPort, 51820}}, "51820 is not where this node is called for the tunnel"},
	} {
		f := joined()
		f.Tunnel.Hub, f.Ports = tt.hub, tt.ports
		_, err := Encode(f)
		if tt.want != "" && (err == nil || err.Error() != "node file of cluster01: ports: "+tt.want) || tt.want == "" && err != nil {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestATunnelThatCannotBeIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Tunnel)
		want string
	}{
		{"an address for a network", func(u *Tunnel) { u.Network = "10.83.0.1/24" }, `network "10.83.0.1/24" is not an IPv4 network`},
		{"IPv6", func(u *Tunnel) { u.Network = "fd00::/64" }, `network "fd00::/64" is not`},
		{"a host with an option", func(u *Tunnel) { u.Host = "-x" }, `host "-x" is neither`},
		{"no port", func(u *Tunnel) { u.Port = 0 }, "port 0 is not a UDP port"},
		{"a hub that is nowhere", func(u *Tunnel) { u.Hub = "lb" }, `ends: the hub, "lb", is not among them`},
		{"no place for the node", func(u *Tunnel) { u.Ends = u.Ends[1:] }, "ends: cluster01 itself is not among them"},
		{"a stranger", func(u *Tunnel) { u.Ends[1].Name = "x" }, `ends: "x" is no node of the cluster`},
		{"an address outside", func(u *Tunnel) { u.Ends[1].Address = "10.84.0.2" }, `ends: address "10.84.0.2" of cluster02 is not in 10.83.0.0/24`},
		{"no address", func(u *Tunnel) { u.Ends[1].Address = "" }, `ends: address "" of cluster02 is not in`},
		{"an address twice", func(u *Tunnel) { u.Ends[1].Address = "10.83.0.1" }, "ends: the name, the address or the key of cluster02 is listed twice"},
		{"a key twice", func(u *Tunnel) { u.Ends[1].Key = threePub }, "ends: the name, the address or the key of cluster04 is listed twice"},
		{"half a key", func(u *Tunnel) { u.Ends[1].Key = twoPub[:40] }, "ends: the key of cluster02 is not a public key of WireGuard"},
		{"a key with a line end", func(u *Tunnel) { u.Ends[1].Key = twoPub + "\n" }, "ends: the key of cluster02 is not a public key"},
		{"no own key", func(u *Tunnel) { u.Key = "" }, "the key is not a private key of WireGuard"},
		{"another's key", func(u *Tunnel) { u.Key = twoPub }, "ends: the key of cluster01 is not the public half of its own"},
	} {
		f := joined()
		tt.edit(f.Tunnel)
		_, err := Encode(f)
		if want := "node file of cluster01: tunnel: " + tt.want; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, want)
		}
		if err != nil && strings.Contains(err.Error(), oneKey[:20]) {
			t.Errorf("%s: the error shows the key", tt.name)
		}
	}
}
