package plan

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/node"
	"berries/profiles"
)

var update = flag.Bool("update", false, "write the golden plans anew")

// load reads an example cluster with the files it names beside it.
func load(t *testing.T, name string) *profiles.Cluster {
	t.Helper()
	dir := t.TempDir()
	for to, from := range map[string]string{
		"profile.yaml": "../../profiles/clusters/" + name + ".yaml",
		"id.pub":       "../cli/testdata/id.pub",
	} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ddns-password"), []byte("top secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := profiles.Load(filepath.Join(dir, "profile.yaml"), profiles.Env{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func planned(t *testing.T, c *profiles.Cluster) *Plan {
	t.Helper()
	p, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The plans of the examples are golden: a change of what images hold shows here.
func TestThePlansOfTheExamples(t *testing.T) {
	for _, name := range []string{"berries", "three-storage", "six-storage", "two-houses"} {
		got, err := planned(t, load(t, name)).JSON()
		if err != nil {
			t.Fatal(err)
		}
		golden := "testdata/" + name + ".json"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got; go test -update writes it anew)\n%s", name, diff)
		}
	}
}

func TestWhereTheBalancerReachesTheOthers(t *testing.T) {
	c := load(t, "berries")
	c.Tunnel = nil
	c.Nodes[0].Host, c.Nodes[2].Host = "home.example.net", "home.example.net"
	c.Nodes[1].Address.CIDR = netip.MustParsePrefix("192.168.2.7/24")
	for _, standby := range []bool{false, true} {
		c.Nodes[4].RemoteStandby = standby
		for i, img := range planned(t, c).Images {
			got := img.NodeFile.Balancer
			if i < 4 {
				if got != nil {
					t.Errorf("%s balances: %v", img.Node, got)
				}
				continue
			}
			want := &node.Balancing{
				Port: 80, ServerName: "host.example.net", Aliases: []string{"www.host.example.net"},
				Members: []node.Server{
					{Name: "cluster01", Host: "home.example.net", Port: 8081},
					{Name: "cluster02", Host: "192.168.2.7", Port: 8082},
					{Name: "cluster03", Host: "home.example.net", Port: 8083},
					{Name: "cluster04", Host: "berries.example.net", Port: 8480, Standby: standby},
				},
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("standby %v (-want +got):\n%s", standby, diff)
			}
		}
	}
}

func TestWhereTheBalancersCertificateComesFrom(t *testing.T) {
	c := load(t, "berries")
	for _, tt := range []struct {
		profile profiles.HTTPS
		want    node.HTTPS
		key     string
	}{
		{profiles.HTTPS{Port: 443, ACME: &profiles.ACME{Email: "me@example.net", Server: "https://acme.example.net/dir"}},
			node.HTTPS{Port: 443, ACME: &node.ACME{Email: "me@example.net", Server: "https://acme.example.net/dir"}}, ""},
		{profiles.HTTPS{Port: 8443, Certificate: "chain", Key: profiles.NewSecret("key")},
			node.HTTPS{Port: 8443, Pair: &node.Pair{Chain: "chain"}}, "key"},
	} {
		c.Nodes[4].HTTPS = &tt.profile
		img := planned(t, c).Images[4]
		if diff := cmp.Diff(&tt.want, img.NodeFile.Balancer.HTTPS); diff != "" || img.HTTPSKey.Reveal() != tt.key {
			t.Errorf("key %q (-want +got):\n%s", img.HTTPSKey.Reveal(), diff)
		}
	}
}

// apart is a profile with tunnel: none, in which a storage node, the remote node and the
// balancer keep a name of their own.
const apart = "../testdata/good/ddns-of-nodes"

func TestNodesThatKeepANameGetDDClient(t *testing.T) {
	for _, tt := range []struct {
		profile string
		kept    []string // by the nodes in their order
		roles   []string // that get the package
	}{
		{"berries", []string{"", "", "", "berries.example.net", ""}, []string{"remote"}},
		{"three-storage", []string{"", "", ""}, nil},
		{"two-houses", []string{"home.example.net", "", "", "far.example.net"}, []string{"remote", "storage"}},
		{apart, []string{"home.example.net", "", "other.duckdns.org", "far.example.net", "front.example.net"}, []string{"balancer", "remote", "storage"}},
	} {
		p := planned(t, load(t, tt.profile))
		for i, img := range p.Images {
			got := ""
			if img.NodeFile.DDNS != nil {
				got = img.NodeFile.DDNS.Host
			}
			if got != tt.kept[i] || (got == "") != img.DDNSPassword.IsZero() {
				t.Errorf("%s: %s keeps %q with the password %v, want %q", tt.profile, img.Node, got, img.DDNSPassword, tt.kept[i])
			}
			if with := slices.Contains(img.Packages.Install, "ddclient"); with != slices.Contains(tt.roles, string(img.Role)) {
				t.Errorf("%s: %s installs %v", tt.profile, img.Node, img.Packages.Install)
			}
			if !slices.Equal(img.Packages.Install, p.Roles[string(img.Role)]) {
				t.Errorf("%s: %s installs %v, and the lock is for %v", tt.profile, img.Node, img.Packages.Install, p.Roles[string(img.Role)])
			}
		}
	}
}

func TestAPlanShowsNoSecret(t *testing.T) {
	c := load(t, "berries")
	c.WiFi = &profiles.WiFi{Country: "DE", SSID: "home", PSK: profiles.NewSecret("correct horse")}
	c.User.PasswordHash = profiles.NewSecret("$y$j9T$hash")
	c.Nodes[4].HTTPS = &profiles.HTTPS{Port: 443, Certificate: "for everybody", Key: profiles.NewSecret("key of the site")}
	text, err := planned(t, c).JSON()
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"correct horse", "$y$j9T$hash", "top secret", "key of the site"} {
		if strings.Contains(string(text), secret) {
			t.Errorf("the plan shows %q", secret)
		}
	}
}

func TestNoTwoNodesShareASignature(t *testing.T) {
	seen := map[Signature]string{}
	for _, name := range []string{"berries", "three-storage", "six-storage"} {
		c := load(t, name)
		c.Name = name
		for _, img := range planned(t, c).Images {
			if other := seen[img.Signature]; other != "" || img.Signature == 0 {
				t.Errorf("%s of %s has signature %v, as has %q", img.Node, name, img.Signature, other)
			}
			seen[img.Signature] = img.Node
		}
	}
	taken := map[Signature]bool{}
	if a, b := signature("c", "n", taken), signature("c", "n", taken); a == b {
		t.Errorf("a signature that is taken, %v, was given again", a)
	}
}

func TestNetworkFiles(t *testing.T) {
	wifi := &profiles.WiFi{Country: "DE", SSID: `  a\b`, PSK: profiles.NewSecret(" pass phrase")}
	router := netip.MustParseAddr("192.168.2.1")
	fixed := profiles.Address{CIDR: netip.MustParsePrefix("192.168.2.5/24"), Gateway: router, DNS: []netip.Addr{router}}
	for _, c := range []struct {
		name    string
		wifi    *profiles.WiFi
		role    profiles.Role
		address profiles.Address
		path    string
		want    []string
		not     string
	}{
		{"the wire asks for an address", nil, profiles.Storage, profiles.Address{}, "berry-ethernet.nmconnection",
			[]string{"type=ethernet\n", "[ipv4]\nmethod=auto\n"}, "[wifi]"},
		{"the wire has a fixed address", nil, profiles.Storage, fixed, "berry-ethernet.nmconnection",
			[]string{"method=manual\naddress1=" + fixed.CIDR.String() + "," + fixed.Gateway.String() + "\ndns="}, "method=auto\n\n[ipv6]"},
		{"ifupdown has it too", nil, profiles.Storage, fixed, "interfaces.d/berry",
			[]string{"iface eth0 inet static\n\taddress " + fixed.CIDR.String() + "\n\tgateway "}, "dhcp"},
		{"Wi-Fi takes the fixed address, its text escaped", wifi, profiles.Storage, fixed, "berry-wifi.nmconnection",
			[]string{`ssid=\s\sa\\b` + "\n", `psk=\spass phrase` + "\n", "method=manual"}, "ethernet"},
		{"and the wire then asks", wifi, profiles.Storage, fixed, "berry-ethernet.nmconnection",
			[]string{"[ipv4]\nmethod=auto\n"}, "manual"},
	} {
		cluster := load(t, "berries")
		cluster.WiFi, cluster.Nodes[0].Role, cluster.Nodes[0].Address = c.wifi, c.role, c.address
		text := content(planned(t, cluster).Images[0], c.path)
		for _, w := range c.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %s lacks %q:\n%s", c.name, c.path, w, text)
			}
		}
		if strings.Contains(text, c.not) {
			t.Errorf("%s: %s has %q:\n%s", c.name, c.path, c.not, text)
		}
	}
}

func TestOnlyStorageNodesJoinTheWiFi(t *testing.T) {
	c := load(t, "berries")
	c.WiFi = &profiles.WiFi{Country: "DE", SSID: "home"}
	for _, img := range planned(t, c).Images {
		has := content(img, "berry-wifi.nmconnection") != ""
		if want := img.Role == profiles.Storage; has != want || img.Unblock != want {
			t.Errorf("%s (%s): Wi-Fi %v, unblocked %v, want %v", img.Node, img.Role, has, img.Unblock, want)
		}
	}
}

// content is that of the image's file whose path ends in name.
func content(img Image, name string) string {
	for _, f := range img.Files {
		if strings.HasSuffix(f.Path, "/"+name) {
			return string(f.Data)
		}
	}
	return ""
}

func TestOnly(t *testing.T) {
	p := planned(t, load(t, "berries"))
	some, err := p.Only([]string{"cluster03", "cluster01"})
	if err != nil || len(some.Images) != 2 || some.Images[0].Node != "cluster01" {
		t.Errorf("got %v, %v; want cluster01 and cluster03", some.Images, err)
	}
	if _, err := p.Only([]string{"cluster99"}); err == nil || !strings.Contains(err.Error(), "cluster99") {
		t.Errorf("got %v, want an error that names cluster99", err)
	}
}
