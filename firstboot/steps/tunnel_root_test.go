//go:build root && linux

package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// TestRealTunnel has three nodes with the real wg, wireguard-go and kernel meet: a hub on
// the internet, and two in houses behind routers that translate addresses and let
// nothing in. The internet has a DNS. The hub comes late, moves, and everything breaks
// that can.
func TestRealTunnel(t *testing.T) { inNamespaces(t, "tunnel") }

// The nodes, in the order of the profile, and where the files of the test are.
var joinedNodes = []string{"one", "two", "hub"}

const (
	hubName   = "hub.example.net"
	nodeFiles = "/mnt/node-"
	tunnelLog = "/run/log-"
	tunnelPID = "/run/pid-"
)

// writeTunnelFiles makes the key pairs of all nodes with the real wg, and writes their node files.
func writeTunnelFiles() error {
	f := node.File{Version: node.Version, Cluster: "berries", TimeZone: "Etc/UTC", Locale: "C.UTF-8", ID: "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11"}
	t := node.Tunnel{Network: "10.83.0.0/24", Hub: "hub", Host: hubName, Port: 51820}
	private := map[string]string{}
	for i, name := range joinedNodes {
		key, err := exec.Command("wg", "genkey").Output()
		if err != nil {
			return err
		}
		cmd := exec.Command("wg", "pubkey")
		cmd.Stdin = strings.NewReader(string(key))
		public, err := cmd.Output()
		if err != nil {
			return err
		}
		private[name] = strings.TrimSpace(string(key))
		t.Ends = append(t.Ends, node.End{Name: name, Address: fmt.Sprintf("10.83.0.%d", i+1), Key: strings.TrimSpace(string(public))})
		f.Nodes = append(f.Nodes, node.Node{Name: name, Role: node.Balancer})
	}
	for _, name := range joinedNodes {
		own, tunnel := f, t
		tunnel.Key = private[name]
		own.Name, own.Role, own.Tunnel = name, node.Balancer, &tunnel
		data, err := node.Encode(own)
		if err == nil {
			err = os.WriteFile(nodeFiles+name, data, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nodeVar names the node that this test program is, when it was started again in a
// namespace of that node's.
const nodeVar = "STEPS_TEST_NODE"

// beTunnelNode does as berry-firstboot run does, with the one step.
func beTunnelNode() error {
	f, err := node.ReadFile(nodeFiles + os.Getenv(nodeVar))
	if err != nil {
		return err
	}
	h, err := host.New("/", func(line string) { fmt.Println("ran", line) })
	if err != nil {
		return err
	}
	h.Units = wireguardUnit{}
	tell := func(i int, s status.Step) { fmt.Println(status.Line{Number: i + 1, Total: 1, Step: s}.Text()) }
	list := []Step{Tunnel{}}
	if err := Run(context.Background(), h, f, list, tell); err != nil {
		return err
	}
	return Watch(context.Background(), h, f, list, nil, nil, tell)
}

// wireguardUnit is a systemd that knows berry-tunnel.service alone, and runs what that
// says: also when this program has gone.
type wireguardUnit struct{ host.Units }

func (wireguardUnit) Restart(_ context.Context, unit string) error {
	text, err := os.ReadFile("../../overlays/common/usr/lib/systemd/system/" + unit)
	if err != nil {
		return err
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		set[name] = value
	}
	if set["Restart"] != "always" {
		return errors.New("the unit is not started again")
	}
	return sh(fmt.Sprintf(`mkdir -p /run/wireguard
		setsid sh -c 'while :; do env %s %s; sleep %s; done' >>/run/wireguard.log 2>&1 &
		%s`, set["Environment"], set["ExecStart"], set["RestartSec"], set["ExecStartPost"]))()
}

// boots starts a node.
func boots(name string) func() error {
	return func() error {
		self, err := os.Executable()
		if err != nil {
			return err
		}
		log, err := os.OpenFile(tunnelLog+name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer log.Close()
		cmd := exec.Command("ip", "netns", "exec", name, "unshare", "--mount", "sh", "-c",
			`for d in /etc/berry /run; do mkdir -p /run/mem/`+name+`$d && mount --bind /run/mem/`+name+`$d $d; done; exec "$0"`, self)
		cmd.Env = append(os.Environ(), inside+"=tunnel node", nodeVar+"="+name)
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			return err
		}
		go cmd.Wait()
		return os.WriteFile(tunnelPID+name, []byte(fmt.Sprint(cmd.Process.Pid)), 0o600)
	}
}

// says waits until a node has told something.
func says(name, words string, within time.Duration) func() error {
	return comesTrue(name+" says "+words, within, func() bool {
		text, _ := os.ReadFile(tunnelLog + name)
		return strings.Contains(string(text), words)
	})
}

// forgets empties the log of a node.
func forgets(name string) func() error {
	return func() error { return os.Truncate(tunnelLog+name, 0) }
}

// reaches waits until one node reaches an address in the tunnel.
func reaches(name, address string, within time.Duration) func() error {
	return comesTrue(name+" reaches "+address, within, func() bool {
		return sh("ip netns exec "+name+" ping -c 1 -W 1 "+address)() == nil
	})
}

// comesTrue waits until something holds, and tells how long it took.
func comesTrue(what string, within time.Duration, holds func() bool) func() error {
	return func() error {
		began := time.Now()
		for !holds() {
			if time.Since(began) > within {
				logs, _ := exec.Command("sh", "-c", "tail -n 15 "+tunnelLog+"*").CombinedOutput()
				return fmt.Errorf("not within %v: %s\n%s", within, what, logs)
			}
			time.Sleep(200 * time.Millisecond)
		}
		fmt.Printf("%s after %.1fs\n", what, time.Since(began).Seconds())
		return nil
	}
}

// hubIsAt has the hub's name lead to an address.
func hubIsAt(address string) func() error {
	return sh("echo " + address + " " + hubName + " > /run/names; kill -HUP $(cat /run/dnsmasq.pid)")
}

// secretly finds out who could see a private key.
func secretly() error {
	for _, name := range joinedNodes {
		f, err := node.ReadFile(nodeFiles + name)
		if err != nil {
			return err
		}
		argv, _ := filepath.Glob("/proc/[0-9]*/cmdline")
		environ, _ := filepath.Glob("/proc/[0-9]*/environ")
		logs, _ := filepath.Glob(tunnelLog + "*")
		for _, path := range append(append(argv, environ...), logs...) {
			if text, _ := os.ReadFile(path); strings.Contains(string(text), f.Tunnel.Key) {
				return fmt.Errorf("the key of %s is in %s", name, path)
			}
		}
		conf := "/run/mem/" + name + tunnelConf
		info, err := os.Stat(conf)
		if err != nil || info.Mode() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			return fmt.Errorf("%s: %v, %v", conf, info, err)
		}
		if text, err := os.ReadFile(conf); err != nil || !strings.Contains(string(text), f.Tunnel.Key) {
			return fmt.Errorf("%s has not the key: %v", conf, err)
		}
	}
	return nil
}

// confinedToTheTunnel has node one, whose owner has changed it, send what is for the
// internet to the hub.
func confinedToTheTunnel() error {
	out, err := exec.Command("sh", "-c", `
		wg() { nsenter -t $(cat `+tunnelPID+`one) -m -n wg "$@"; }
		wg set berry0 peer $(wg show berry0 peers) allowed-ips 0.0.0.0/0
		ip -n one route add 198.51.100.12 dev berry0
		ip -n hub route get 198.51.100.12 from 10.83.0.1 iif berry0 2>&1
		ip netns exec one ping -c 2 -W 1 198.51.100.12
		ip -n one route del 198.51.100.12 dev berry0
		ip netns exec hub cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/eth0/forwarding`).CombinedOutput()
	if text := string(out); !strings.Contains(text, "100% packet loss") || !strings.Contains(text, "From 10.83.0.3") ||
		!strings.Contains(text, "nreachable") || !strings.HasSuffix(text, "0\n0\n") {
		return fmt.Errorf("it is not: %v: %s", err, out)
	}
	return nil
}

var tunnelScenario = []scene{
	{"the internet is there", all(sh(`
		mount -t tmpfs t /run; mount -t tmpfs t /mnt; mkdir -p /mnt/up /mnt/work
		mount -t overlay -o lowerdir=/etc,upperdir=/mnt/up,workdir=/mnt/work o /etc
		mkdir -p /etc/berry /run/mem
		for n in net home1 home2 one two hub; do
			ip netns add $n; ip -n $n link set lo up; mkdir -p /etc/netns/$n; echo nameserver 203.0.113.1 > /etc/netns/$n/resolv.conf
		done
		wire() { ip -n $1 link add $2 type veth peer name $4 netns $3; ip -n $1 link set $2 up; ip -n $3 link set $4 up; }
		wire net hub hub eth0;  ip -n net addr add 203.0.113.1/24 dev hub; ip -n hub addr add 203.0.113.10/24 dev eth0; ip -n hub route add default via 203.0.113.1
		for i in 1 2; do
			n=$(test $i = 1 && echo one || echo two)
			wire net home$i home$i wan; ip -n net addr add 198.51.100.1/32 dev home$i; ip -n net route add 198.51.100.1$i dev home$i
			ip -n home$i addr add 198.51.100.1$i/32 dev wan; ip -n home$i route add 198.51.100.1 dev wan; ip -n home$i route add default via 198.51.100.1
			wire home$i lan $n eth0; ip -n home$i addr add 192.168.1.1/24 dev lan; ip -n $n addr add 192.168.1.2/24 dev eth0; ip -n $n route add default via 192.168.1.1
			ip netns exec home$i nft 'table ip t {
				chain post { type nat hook postrouting priority 100; oifname "wan" masquerade; }
				chain in { type filter hook forward priority 0; iifname "wan" ct state new drop; }
			}'
		done
		for n in net home1 home2; do ip netns exec $n sysctl --quiet --write net.ipv4.ip_forward=1; done
		touch /run/names
		ip netns exec net dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --addn-hosts=/run/names --listen-address=203.0.113.1 --bind-interfaces --pid-file=/run/dnsmasq.pid --user=root
		for n in one two; do ip netns exec $n ping -c 1 -W 2 203.0.113.10; done`), writeTunnelFiles)},
	{"a node whose hub has no name yet has its tunnel all the same", all(boots("one"),
		says("one", "step 1/1 tunnel: done", 20*time.Second), says("one", "hub does not answer: hub.example.net leads nowhere", time.Second))},
	{"the hub comes, and two nodes in houses reach each other", all(hubIsAt("203.0.113.10"), boots("hub"), boots("two"),
		reaches("two", "10.83.0.3", 20*time.Second), reaches("one", "10.83.0.2", time.Minute), reaches("hub", "10.83.0.1", time.Second))},
	{"and nobody says any more that somebody is silent", all(forgets("one"), forgets("hub"), func() error {
		time.Sleep(watchEvery + 5*time.Second)
		out, err := exec.Command("sh", "-c", "tail -n 2 "+tunnelLog+"one "+tunnelLog+"hub").CombinedOutput()
		if strings.Contains(string(out), "silent") || strings.Contains(string(out), "does not answer") {
			err = fmt.Errorf("%s", out)
		}
		return err
	})},
	{"nobody but root sees a key", secretly},
	{"the hub forwards from the tunnel into the tunnel only", confinedToTheTunnel},
	{"what was changed by hand is taken back", all(says("one", "configuring the tunnel", watchEvery+10*time.Second), reaches("one", "10.83.0.2", 10*time.Second))},
	{"the hub moves, its name follows, and so do the nodes", all(sh(`ip -n hub addr flush dev eth0; ip -n hub addr add 203.0.113.99/24 dev eth0; ip -n hub route replace default via 203.0.113.1`),
		hubIsAt("203.0.113.99"), reaches("one", "10.83.0.3", 4*time.Minute), reaches("one", "10.83.0.2", 4*time.Minute))},
	{"berry-firstboot starts anew, and the tunnel goes on", all(forgets("one"), sh(`kill $(cat `+tunnelPID+`one)`),
		reaches("one", "10.83.0.2", time.Second), boots("one"), says("one", "step 1/1 tunnel: already done", 5*time.Second))},
	{"wireguard-go dies, and comes back with all it had", all(forgets("two"), sh(`kill -9 $(for p in $(ip netns pids two); do grep -qx wireguard-go /proc/$p/comm && echo $p; done)`),
		says("two", "configuring the tunnel", watchEvery+10*time.Second), reaches("one", "10.83.0.2", 10*time.Second))},
	{"a node starts again from nothing", all(forgets("one"), sh(`kill -9 $(ip netns pids one); sleep 1; rm -rf /run/mem/one`), boots("one"),
		says("one", "step 1/1 tunnel: done", 20*time.Second), reaches("one", "10.83.0.2", 10*time.Second))},
}
