package steps

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
)

// Keys of nobody, in the form of WireGuard's.
const (
	spokeKey = "oEiDXDpbN3sQ/mbOYkBtbbL8dALJ2rPIwmXyCOLdZFY="
	spokePub = "GwyZ0cvmYWM3bGDeU0nZ0KxLlFWXGkKsHkIxq2Z8s0E="
	otherPub = "Zt2dBVnJ0IYQe1X3sGPSxdD5pW0dWJHDb0rTj8hSfAg="
	hubPub   = "mJXm6aTHAq4b2oQ0wSYCMFb4h9WGBxdwJm6zv1RfO3k="
)

// spoke is a storage node in a tunnel whose hub is the balancer; asHub is that one.
func spoke() node.File {
	return node.File{Name: "cluster01", Role: node.Storage, Tunnel: &node.Tunnel{
		Network: "10.83.0.0/24", Hub: "lb", Host: "www.example.org", Port: 51820, Key: spokeKey, Ends: []node.End{
			{Name: "cluster01", Address: "10.83.0.1", Key: spokePub}, {Name: "cluster04", Address: "10.83.0.2", Key: otherPub},
			{Name: "lb", Address: "10.83.0.3", Key: hubPub},
		}}}
}

func asHub() node.File {
	f := spoke()
	f.Name = "lb"
	return f
}

const (
	spokeConf = oursMark + "\n[Interface]\nPrivateKey = " + spokeKey + "\n" +
		"\n# lb\n[Peer]\nPublicKey = " + hubPub + "\nAllowedIPs = 10.83.0.0/24\n"
	hubConf = oursMark + "\n[Interface]\nPrivateKey = " + spokeKey + "\nListenPort = 51820\n" +
		"\n# cluster01\n[Peer]\nPublicKey = " + spokePub + "\nAllowedIPs = 10.83.0.1/32\n" +
		"\n# cluster04\n[Peer]\nPublicKey = " + otherPub + "\nAllowedIPs = 10.83.0.2/32\n"
	dump      = "wg show berry0 dump"
	addresses = "ip -4 -oneline address show"
	onlyEth0  = "1: lo    inet 127.0.0.1/8 scope host lo\\ valid_lft forever\n2: eth0    inet 192.168.2.5/24 brd 192.168.2.255 scope global eth0\\ valid_lft forever\n"
)

// wgShows is what wg says of a spoke whose last handshake was so long ago.
func wgShows(endpoint string, ago time.Duration) string {
	at := "0"
	if ago != never {
		at = fmt.Sprint(tunnelNow.Add(-ago).Unix())
	}
	alive := "25"
	if endpoint == "(none)" {
		alive = "off"
	}
	return spokeKey + "\t" + spokePub + "\t40123\toff\n" +
		hubPub + "\t(none)\t" + endpoint + "\t10.83.0.0/24\t" + at + "\t0\t0\t" + alive + "\n"
}

const never = -time.Second

var tunnelNow = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// still is a clock that only sleeping moves.
type still struct{ now time.Time }

func (s *still) Now() time.Time { return s.now }
func (s *still) Sleep(ctx context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	return context.Cause(ctx)
}

// wantState wants a look to find that, "" for a step that holds.
func wantState(t *testing.T, h *hosttest.Host, s Step, f node.File, want string) {
	t.Helper()
	got, err := s.Look(t.Context(), h.Host, f)
	if err != nil || got.String() != want {
		t.Errorf("found %q, %v, want %q", got, err, want)
	}
}

// standing is a machine whose tunnel stands, and that finds the hub at hubAt.
func standing(t *testing.T, hubAt []string, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	h := hosttest.New(t, map[string]string{
		"/etc/berry/":                                 "",
		"/sys/class/net/berry0/mtu":                   "1392\n",
		"/sys/class/net/berry0/flags":                 "0x1091\n",
		"/proc/sys/net/ipv4/conf/berry0/forwarding":   "0\n",
		"/sys/class/net/berry0/statistics/rx_packets": "0\n",
	}, transcript...)
	if err := h.Files.Replace(tunnelConf, []byte(spokeConf), 0o600); err != nil {
		t.Fatal(err)
	}
	h.Host.Clock = &still{tunnelNow}
	h.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		if len(hubAt) == 0 || name != "www.example.org" {
			return nil, errors.New("no such host")
		}
		var list []netip.Addr
		for _, a := range hubAt {
			list = append(list, netip.MustParseAddr(a))
		}
		return list, nil
	}
	return h
}

// looks are the commands of one look at a tunnel that stands, up to the hub.
func looks(text string) []hosttest.Exchange {
	return []hosttest.Exchange{{Cmd: dump, Stdout: text}, {Cmd: addresses, Stdout: onlyEth0 + "7: berry0    inet 10.83.0.1/24 scope global berry0\\ valid_lft forever\n"},
		{Cmd: dump, Stdout: text}}
}

func TestATunnelWhoseHubAnswersHolds(t *testing.T) {
	h := standing(t, nil, looks(wgShows("203.0.113.9:51820", time.Minute))...)
	wantState(t, h, Tunnel{}, spoke(), "")
}

// A name is looked up again only when the hub is silent; where it is then is where the
// tunnel calls, if it is not already.
func TestWhereTheHubIsCalled(t *testing.T) {
	for _, tt := range []struct {
		name, endpoint string
		ago            time.Duration
		hubAt          []string
		want           string
	}{
		{"it has just answered from elsewhere", "203.0.113.9:51820", 2 * time.Minute, []string{"203.0.113.10"}, ""},
		{"it is silent where it is", "203.0.113.9:51820", time.Hour, []string{"203.0.113.9"}, ""},
		{"it is silent, and elsewhere now", "203.0.113.9:51820", 3 * time.Minute, []string{"203.0.113.10"},
			"lb is at 203.0.113.10:51820, and the tunnel calls 203.0.113.9:51820, keepalive 25"},
		{"it was never called", "(none)", never, []string{"203.0.113.9"}, "lb is at 203.0.113.9:51820, and the tunnel calls nobody, keepalive off"},
		{"IPv4 goes first", "203.0.113.9:51820", never, []string{"2001:db8::9", "203.0.113.9"}, ""},
		{"there is only IPv6", "(none)", never, []string{"2001:db8::9"}, "lb is at [2001:db8::9]:51820, and the tunnel calls nobody, keepalive off"},
		{"the order of several does not matter", "203.0.113.9:51820", never, []string{"203.0.113.11", "203.0.113.9"}, ""},
		{"its name leads into the tunnel", "(none)", never, []string{"10.83.0.3"}, ""},
		{"its name leads nowhere", "203.0.113.9:51820", time.Hour, nil, ""},
		{"the clock was wrong at the last handshake", "203.0.113.9:51820", -100 * time.Hour, []string{"203.0.113.10"},
			"lb is at 203.0.113.10:51820, and the tunnel calls 203.0.113.9:51820, keepalive 25"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantState(t, standing(t, tt.hubAt, looks(wgShows(tt.endpoint, tt.ago))...), Tunnel{}, spoke(), tt.want)
		})
	}
}

func TestATunnelIsMadeByTheKernel(t *testing.T) {
	var h *hosttest.Host
	fresh := spokeKey + "\t(none)\t40123\toff\n"
	noAddress := hosttest.Exchange{Cmd: addresses, Stdout: onlyEth0}
	unset, set := wgShows("(none)", never), wgShows("203.0.113.9:51820", never)
	script := []hosttest.Exchange{
		{Cmd: "ip link add dev berry0 type wireguard", Then: func() {
			h.Write("/sys/class/net/berry0/mtu", "1420\n")
			h.Write("/sys/class/net/berry0/flags", "0x90\n")
		}},
		{Cmd: dump, Stdout: fresh},
		{Cmd: "wg syncconf berry0 /etc/berry/tunnel.conf"},
		{Cmd: dump, Stdout: unset}, noAddress,
		{Cmd: "ip address flush dev berry0"},
		{Cmd: "ip address add 10.83.0.1/24 dev berry0"},
		{Cmd: "ip link set dev berry0 mtu 1392 up", Then: func() {
			h.Write("/sys/class/net/berry0/mtu", "1392\n")
			h.Write("/sys/class/net/berry0/flags", "0x91\n")
		}},
	}
	script = append(script, looks(unset)...)
	script = append(script, hosttest.Exchange{Cmd: "wg set berry0 peer " + hubPub + " endpoint 203.0.113.9:51820 persistent-keepalive 25"},
		hosttest.Exchange{Cmd: dump, Stdout: set}, hosttest.Exchange{Cmd: dump, Stdout: wgShows("203.0.113.9:51820", 0)})
	script = append(script, looks(wgShows("203.0.113.9:51820", 0))...)
	h = standing(t, []string{"203.0.113.9"}, script...)
	h.Remove(tunnelConf)
	h.Remove("/sys/class/net/berry0")
	var said []string
	if err := (Tunnel{}).Act(t.Context(), h.Host, spoke(), func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	want := []string{"writing /etc/berry/tunnel.conf", "making the tunnel", "configuring the tunnel", "giving the tunnel its address", "calling lb at 203.0.113.9:51820"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if got := h.Read(tunnelConf); got != spokeConf {
		t.Errorf("the configuration is %q", got)
	}
	if info, err := h.Files.Stat(tunnelConf); err != nil || info.Mode() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
	if h.Units.Asked != nil {
		t.Errorf("systemd was asked %v", h.Units.Asked)
	}
}

func TestAKernelWithoutWireGuardLeavesItToTheProgram(t *testing.T) {
	unknown := hosttest.Exchange{Cmd: "ip link add dev berry0 type wireguard", Fails: "Error: Unknown device type.", Exit: 2}
	h := standing(t, []string{"203.0.113.9"}, append([]hosttest.Exchange{unknown}, looks(wgShows("203.0.113.9:51820", 0))...)...)
	h.Remove("/sys/class/net/berry0")
	h.Units.Then = func(string) error {
		h.Write("/sys/class/net/berry0/mtu", "1392\n")
		h.Write("/sys/class/net/berry0/flags", "0x1091\n")
		return nil
	}
	if err := (Tunnel{}).Act(t.Context(), h.Host, spoke(), func(string) {}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"restart berry-tunnel.service"}, h.Units.Asked); diff != "" {
		t.Errorf("systemd was asked (-want +got):\n%s", diff)
	}

	h = standing(t, nil, unknown)
	h.Remove("/sys/class/net/berry0")
	h.Units.Then = func(string) error { return errors.New("there is no /dev/net/tun") }
	err := (Tunnel{}).Act(t.Context(), h.Host, spoke(), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "Unknown device type") || !strings.Contains(err.Error(), "there is no /dev/net/tun") {
		t.Errorf("got %v, want both errors", err)
	}
}

// A tunnel in the network that the node is in would cut it off.
func TestATunnelInTheNodesOwnNetworkIsRefused(t *testing.T) {
	h := standing(t, nil, hosttest.Exchange{Cmd: dump, Stdout: wgShows("(none)", never)},
		hosttest.Exchange{Cmd: addresses, Stdout: "2: eth0    inet 10.83.0.77/16 brd 10.83.255.255 scope global eth0\\ valid_lft forever\n"})
	_, err := Tunnel{}.Look(t.Context(), h.Host, spoke())
	if want := "eth0 is in 10.83.0.0/16, and so is the tunnel in 10.83.0.0/24; give the profile another tunnel_network"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestAHubForwardsInTheTunnelOnly(t *testing.T) {
	asked := spokeKey + "\t" + hubPub + "\t51820\toff\n" +
		spokePub + "\t(none)\t198.51.100.1:4000\t10.83.0.1/32\t0\t0\t0\toff\n" + otherPub + "\t(none)\t(none)\t10.83.0.2/32\t0\t0\t0\toff\n"
	own := hosttest.Exchange{Cmd: addresses, Stdout: "7: berry0    inet 10.83.0.3/24 scope global berry0\\ valid_lft forever\n"}
	rules, routes := "0:\tfrom all lookup local\n32766:\tfrom all lookup main\n", hosttest.Exchange{Cmd: "ip -4 route show table 8383"}
	ruled := rules + "8383:\tfrom all iif berry0 lookup 8383\n"
	routed := routes
	routes.Fails = "Error: ipv4: FIB table does not exist."
	routed.Stdout = "unreachable default \n10.83.0.0/24 dev berry0 scope link \n"
	var h *hosttest.Host
	h = standing(t, nil,
		hosttest.Exchange{Cmd: dump, Stdout: asked}, own, hosttest.Exchange{Cmd: "ip -4 rule show", Stdout: rules}, routes,
		hosttest.Exchange{Cmd: "ip -4 route replace unreachable default table 8383"},
		hosttest.Exchange{Cmd: "ip -4 route replace 10.83.0.0/24 dev berry0 table 8383"},
		hosttest.Exchange{Cmd: "ip -4 rule add iif berry0 lookup 8383 priority 8383"},
		hosttest.Exchange{Cmd: dump, Stdout: asked}, own, hosttest.Exchange{Cmd: "ip -4 rule show", Stdout: ruled}, routed,
		hosttest.Exchange{Cmd: "sysctl --quiet --write net.ipv4.conf.berry0.forwarding=1", Then: func() {
			h.Write("/proc/sys/net/ipv4/conf/berry0/forwarding", "1\n")
		}}, hosttest.Exchange{Cmd: dump, Stdout: asked}, own, hosttest.Exchange{Cmd: "ip -4 rule show", Stdout: ruled}, routed)
	if err := h.Files.Replace(tunnelConf, []byte(hubConf), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (Tunnel{}).Act(t.Context(), h.Host, asHub(), func(string) {}); err != nil {
		t.Error(err)
	}
}

func TestWhoIsSilentIsTold(t *testing.T) {
	for _, tt := range []struct {
		name  string
		ago   time.Duration
		hubAt []string
		want  string
	}{
		{"it has answered", time.Minute, nil, ""},
		{"it may well answer", 3 * time.Minute, nil, ""},
		{"it never has", never, []string{"203.0.113.9"}, "lb does not answer at www.example.org, UDP port 51820"},
		{"it does not any more", 5 * time.Minute, []string{"203.0.113.9"}, "lb does not answer at www.example.org, UDP port 51820"},
		{"its name leads nowhere", never, nil, "lb does not answer: www.example.org leads nowhere: no such host"},
	} {
		h := standing(t, tt.hubAt, hosttest.Exchange{Cmd: dump, Stdout: wgShows("203.0.113.9:51820", tt.ago)})
		if got := (Tunnel{}).Note(t.Context(), h.Host, spoke()); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	h := standing(t, nil, hosttest.Exchange{Cmd: dump, Stdout: spokeKey + "\t" + hubPub + "\t51820\toff\n" +
		spokePub + "\t(none)\t(none)\t10.83.0.1/32\t0\t0\t0\toff\n" + otherPub + "\t(none)\t(none)\t10.83.0.2/32\t0\t0\t0\toff\n"})
	if got, want := (Tunnel{}).Note(t.Context(), h.Host, asHub()), "nothing heard from cluster01, cluster04"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What wg printed before it failed has the key in it.
func TestAFailureShowsNoKey(t *testing.T) {
	h := standing(t, nil, hosttest.Exchange{Cmd: dump, Stdout: wgShows("(none)", never), Exit: 1})
	_, err := Tunnel{}.Look(t.Context(), h.Host, spoke())
	if err == nil || strings.Contains(err.Error(), spokeKey) {
		t.Errorf("got %v", err)
	}
	h = standing(t, nil, hosttest.Exchange{Cmd: dump, Stdout: spokeKey + "\tx\n"})
	if _, err = (Tunnel{}).Look(t.Context(), h.Host, spoke()); err == nil || strings.Contains(err.Error(), spokeKey) {
		t.Errorf("got %v", err)
	}
}
