//go:build root && linux

package steps

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/router"
	"berries/firstboot/status"
)

// TestRealRouter has the step ask a real router: miniupnpd and nftables' NAT in a network
// namespace, between this node's network and a visitor outside.
func TestRealRouter(t *testing.T) { inNamespaces(t, "router") }

func behindRouter() node.File {
	return node.File{Cluster: "berries", Name: "cluster01", Role: node.Storage, Ports: []node.Port{{For: node.WebPort, Number: 8081}}}
}

// The addresses of the router and of the node, and another one that the node has had.
const (
	inner   = "192.168.2.1"
	outer   = "5.45.7.2" // miniupnpd forwards nothing where its own address is not public
	nodeIs  = "192.168.2.5"
	nodeWas = "192.168.2.9"
)

// home is the router.
type home struct {
	daemon *exec.Cmd
	conf   string // what was set by the last start
}

var house home

const natRules = `flush ruleset
table inet filter {
	chain miniupnpd {
	}
	chain prerouting_miniupnpd {
	}
	chain postrouting_miniupnpd {
	}
	chain forward {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		iifname "lan0" accept
		jump miniupnpd
	}
	chain prerouting {
		type nat hook prerouting priority -100;
		jump prerouting_miniupnpd
	}
	chain postrouting {
		type nat hook postrouting priority 100;
		jump postrouting_miniupnpd
		oifname "wan0" masquerade
	}
}
`

const daemonConf = `ext_ifname=wan0
listening_ip=lan0
system_uptime=no
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
deny 22 0.0.0.0/0 0-65535
allow 1-65535 192.168.2.0/24 1-65535
deny 0-65535 0.0.0.0/0 0-65535
`

// off cuts its power: it forgets whom it forwards to.
func (r *home) off() error {
	if r.daemon != nil {
		r.daemon.Process.Kill()
		r.daemon.Wait()
		r.daemon = nil
	}
	return r.rules()
}

func (r *home) rules() error {
	nft := exec.Command("ip", "netns", "exec", "router", "nft", "-f", "-")
	nft.Stdin = strings.NewReader(natRules)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, out)
	}
	return nil
}

// with starts it anew with these settings.
func (r *home) with(settings ...string) func() error {
	return func() error {
		r.conf = daemonConf + strings.Join(settings, "\n") + "\n"
		return r.reboots()
	}
}

func (r *home) reboots() error {
	if err := errors.Join(r.off(), os.WriteFile("/run/miniupnpd.conf", []byte(r.conf), 0o644)); err != nil {
		return err
	}
	log, err := os.Create("/run/miniupnpd.log")
	if err != nil {
		return err
	}
	defer log.Close()
	r.daemon = exec.Command("ip", "netns", "exec", "router", "miniupnpd", "-d", "-f", "/run/miniupnpd.conf", "-P", "/run/miniupnpd.pid")
	r.daemon.Stdout, r.daemon.Stderr = log, log
	if err := r.daemon.Start(); err != nil {
		return err
	}
	for range 100 {
		time.Sleep(100 * time.Millisecond)
		if text, _ := os.ReadFile(log.Name()); strings.Contains(string(text), "version 2") {
			return nil
		}
	}
	text, _ := os.ReadFile(log.Name())
	return fmt.Errorf("miniupnpd does not start: %s", text)
}

// Settings.
const (
	withUPnP, withoutUPnP     = "enable_upnp=yes", "enable_upnp=no"
	withNATPMP, withoutNATPMP = "enable_natpmp=yes", "enable_natpmp=no"
	secureIGD, trusting       = "secure_mode=yes", "secure_mode=no"
)

// walkPorts walks the step on the machine's own clock, which the router's counts with.
func walkPorts(f node.File) status.Step { return walkOn(host.Wall{}, nil, f, Ports{}) }

func portsEnd(want status.State) func() error       { return portsOfEnd(behindRouter, want) }
func tunnelPortEnds(want status.State) func() error { return portsOfEnd(calledHub, want) }

func portsOfEnd(f func() node.File, want status.State) func() error {
	return func() error {
		return differs("the step ended", status.Step{Name: "ports", State: want}, walkPorts(f()))
	}
}

func portsFail(f node.File, words ...string) func() error {
	return func() error {
		got := walkPorts(f)
		for _, w := range words {
			if got.State != status.Failed || !strings.Contains(got.Error, w) {
				return fmt.Errorf("it ended %+v, want %q", got, w)
			}
		}
		return nil
	}
}

// visited tells whether a visitor outside reaches the node.
func visited(want bool) func() error {
	return func() error {
		out, _ := exec.Command("ip", "netns", "exec", "outside", "curl", "--silent", "--max-time", "2", "http://"+outer+":8081/").Output()
		if got := string(out) == "hello from "+nodeIs; got != want {
			rules, _ := exec.Command("ip", "netns", "exec", "router", "nft", "list", "ruleset").CombinedOutput()
			return fmt.Errorf("the visitor gets %q, want it %v; the router has\n%s", out, want, rules)
		}
		return nil
	}
}

// other has the router forward the port to another machine, whatever way it knows.
func other(words string) func() error {
	return func() error {
		h, err := host.New("/", nil)
		if err != nil {
			return err
		}
		defer h.Files.Close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		way := router.Way{Router: netip.MustParseAddr(inner), Own: netip.MustParseAddr(nodeWas)}
		igd, err := router.FindIGD(ctx, h, way)
		if err != nil {
			return err
		}
		if igd != nil {
			return igd.Forward(ctx, router.Port{Number: 8081}, words, time.Hour)
		}
		pmp, err := router.FindNATPMP(ctx, h, way)
		if err != nil || pmp == nil {
			return fmt.Errorf("there is no NAT-PMP: %w", err)
		}
		_, err = pmp.Forward(ctx, router.Port{Number: 8081}, time.Hour)
		return err
	}
}

// forwards counts the router's rules.
func forwards(want int) func() error {
	return sh(fmt.Sprintf(`n=$(ip netns exec router nft list chain inet filter prerouting_miniupnpd | grep -c dnat || true)
		test "$n" = %d || { echo "the router has $n rules, want %d"; exit 1; }`, want, want))
}

// aged has the router's count go on until its beginning anew can be told.
var aged = sh("sleep 4")

func ssh22() node.File {
	f := behindRouter()
	f.Ports = append(f.Ports, node.Port{For: node.SSHPort, Number: 22})
	return f
}

// watchedWhile has Watch look after the step while something happens, on a clock that is
// faster than ours: UPnP knows no other than the router's.
func watchedWhile(do ...func() error) func() error {
	return func() error {
		h, err := host.New("/", nil)
		if err != nil {
			return err
		}
		defer h.Files.Close()
		h.Clock = fast{}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error)
		go func() {
			ended <- Watch(ctx, h, behindRouter(), []Step{Ports{}}, nil, nil, func(int, status.Step) {})
		}()
		err = all(do...)()
		cancel()
		<-ended
		return err
	}
}

// within wants something to come true within a minute.
func within(what func() error) func() error {
	return func() error {
		began := time.Now()
		err := what()
		for ; err != nil && time.Since(began) < time.Minute; err = what() {
			time.Sleep(100 * time.Millisecond)
		}
		fmt.Printf("after %.1f s: ", time.Since(began).Seconds())
		return err
	}
}

// calledHub is the node as the one that the others call for the tunnel.
func calledHub() node.File {
	f := behindRouter()
	f.Ports = append(f.Ports, node.Port{For: node.TunnelPort, Number: 51820})
	return f
}

// called tells whether a packet from outside reaches the node by UDP.
func called(want bool) func() error {
	return func() error {
		here, err := net.ListenPacket("udp4", ":51820")
		if err != nil {
			return err
		}
		defer here.Close()
		if err := sh("ip netns exec outside bash -c 'echo a handshake >/dev/udp/" + outer + "/51820'")(); err != nil {
			return err
		}
		if err := here.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		packet := make([]byte, 100)
		n, from, err := here.ReadFrom(packet)
		if got := string(packet[:n]) == "a handshake\n"; got != want {
			return fmt.Errorf("the node gets %q from %v (%w), want it %v", packet[:n], from, err, want)
		}
		return nil
	}
}

var hand = "forward by hand: TCP 8081 to " + nodeIs + " port 8081"

var routerScenario = []scene{
	{"the networks are there", all(sh(`
		mount -t tmpfs t /run; mkdir /run/netns
		ip link set lo up
		for n in router outside; do ip netns add $n; ip -n $n link set lo up; done
		ip link add eth0 type veth peer name lan0 netns router
		ip link add wan0 netns router type veth peer name eth0 netns outside
		ip -n router addr add `+inner+`/24 dev lan0; ip -n router link set lan0 up
		ip -n router addr add `+outer+`/24 dev wan0; ip -n router link set wan0 up
		ip -n outside addr add 5.45.7.9/24 dev eth0; ip -n outside link set eth0 up
		ip netns exec router sysctl -qw net.ipv4.ip_forward=1
		ip addr add `+nodeIs+`/24 dev eth0; ip addr add `+nodeWas+`/24 dev eth0; ip link set eth0 up`), func() error {
		go http.ListenAndServe(":8081", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			at := r.Context().Value(http.LocalAddrContextKey).(interface{ String() string }).String()
			addr, _, _ := strings.Cut(at, ":")
			fmt.Fprint(w, "hello from ", addr)
		}))
		return nil
	})},
	{"a node without a router says so", portsFail(behindRouter(), "there is no router: this node has no way out of its network yet")},
	{"a router with neither is told, with what to enter by hand", all(sh("ip route add default via "+inner), house.rules,
		portsFail(ssh22(), "the router "+inner+" offers neither UPnP nor NAT-PMP; switch one of them on there; or "+hand+", and TCP 22 to "+nodeIs+" port 22"), visited(false))},
	{"UPnP maps", all(house.with(withUPnP, withoutNATPMP, secureIGD), portsEnd(status.Done), visited(true), forwards(1))},
	{"for a day", sh(`grep -Eq '"lease":86(400|3[0-9]{2})000000000' ` + portsPath)}, // the router may count the first seconds of it
	{"the step holds", all(portsEnd(status.AlreadyDone), sh("rm "+portsPath), portsEnd(status.AlreadyDone))},
	{"a router that lost its mappings has them again", all(house.reboots, visited(false), portsEnd(status.Done), visited(true))},
	{"by itself, while the node is watched", watchedWhile(house.reboots, visited(false), within(visited(true)))},
	{"a port that the router refuses is told with what to enter by hand", all(
		portsFail(ssh22(), "the router "+inner+" does not forward TCP 22: error ", "; allow it there; or forward by hand: TCP 22 to "+nodeIs+" port 22"), visited(true))},
	{"the tunnel's port is mapped by UDP", all(called(false), tunnelPortEnds(status.Done), called(true), visited(true), forwards(2), tunnelPortEnds(status.AlreadyDone))},
	{"version 1 maps", all(house.with(withUPnP, withoutNATPMP, secureIGD, "force_igd_desc_v1=yes"), portsEnd(status.Done), visited(true), portsEnd(status.AlreadyDone))},
	{"a port of another machine is left to it", all(house.with(withUPnP, withoutNATPMP, trusting), other("a game"),
		portsFail(behindRouter(), "the router "+inner+" forwards TCP 8081 to "+nodeWas+" port 8081 already; take that away there, or give this node another web_port"), forwards(1))},
	{"a port that leads to an earlier address follows the node", all(house.with(withUPnP, withoutNATPMP, trusting), other("berry berries/cluster01"), visited(false),
		portsEnd(status.Done), visited(true), forwards(1))},
	{"unless the router does not let go of it", all(house.with(withUPnP, withoutNATPMP, secureIGD), sh("ip route change 192.168.2.0/24 dev eth0 src "+nodeWas),
		other("berry berries/cluster01"), sh("ip route change 192.168.2.0/24 dev eth0 src "+nodeIs),
		portsFail(behindRouter(), "forwards TCP 8081 to "+nodeWas+" port 8081, an earlier address of this node, and does so for another 1h0m0s: error 606 ", hand), forwards(1))},
	{"NAT-PMP maps where UPnP is off", all(sh("rm "+portsPath), house.with(withoutUPnP, withNATPMP), portsEnd(status.Done), visited(true), portsEnd(status.AlreadyDone))},
	{"and again when the router has lost it", all(aged, house.reboots, visited(false), portsEnd(status.Done), visited(true), portsEnd(status.AlreadyDone))},
	{"and the tunnel's port", all(called(false), tunnelPortEnds(status.Done), called(true), visited(true), tunnelPortEnds(status.AlreadyDone))},
	{"and leaves a port to another machine", all(aged, house.with(withoutUPnP, withNATPMP), other(""),
		portsFail(behindRouter(), "the router "+inner+" offers port ", " in place of TCP 8081, which another machine has, or ", hand), forwards(1))},
	{"and tells what it may not", all(aged, house.with(withoutUPnP, withNATPMP),
		portsFail(ssh22(), "in place of TCP 22", "forward by hand: TCP 22 to "+nodeIs+" port 22"), visited(true))},
	{"nothing else is open from outside", sh(`ip netns exec outside sh -c 'for p in 21 22 80 443 5000 5351 8080 8082; do
		if timeout 1 bash -c "echo >/dev/tcp/` + outer + `/$p" 2>/dev/null; then echo "port $p is open"; exit 1; fi; done'`)},
	{"the router goes", all(house.off, portsFail(behindRouter(), hand), visited(false))},
}
