package steps

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Tunnel joins the node to those in other houses: a WireGuard network in which every
// node calls the hub, and the hub passes on what the others send each other.
//
// It needs the packages wireguard-tools and wireguard-go. It leaves
// /etc/berry/tunnel.conf, which only root may read, and the interface berry0 with its
// keys, its peers and its address: of the kernel where that has WireGuard, else of
// wireguard-go, which a unit of ours keeps running. Nothing of it outlives a reboot;
// the step makes it anew at every boot, and mends it whenever it is not as it should
// be. On the hub alone packets are forwarded, from berry0 to berry0 and nowhere
// else (see forwarding).
//
// The hub is called by its name, which WireGuard looks up never again. The step does,
// whenever the hub has been silent for a while, and so follows one whose address
// changes.
//
// The step holds when all of this stands, whether or not anybody answers: storage
// nodes are a cluster without the other houses. Who is silent is its Note.
type Tunnel struct{}

const (
	tunnelLink = "berry0"
	tunnelConf = "/etc/berry/tunnel.conf"
	tunnelUnit = "berry-tunnel.service"
	// tunnelMTU is what gets through everywhere: IPv4 in IPv6 over a DSL line, as some
	// providers have it (1492 - 40), less what WireGuard adds to it (60).
	tunnelMTU = 1392
	// tunnelAlive is how often, seconds, a node sends the hub something, so that no
	// router on the way forgets where its answers go.
	tunnelAlive = 25
)

// How old the last handshake with a peer gets. One that is there shakes hands again
// after two minutes, or after three where the other side was to begin, and a keepalive
// later at most.
const (
	tunnelStale  = 150 * time.Second // its name is looked up again
	tunnelSilent = 4 * time.Minute   // it does not answer
)

const (
	// tunnelAnswers is how long the hub may take for its first answer. WireGuard asks
	// every 5 s.
	tunnelAnswers = 6 * time.Second
	lookupLimit   = 5 * time.Second
)

// Name implements Step.
func (Tunnel) Name() string { return "tunnel" }

// Look implements Step.
func (Tunnel) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := tunnelOf(h, f).differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits for no more than one answer of the hub, and not long.
func (Tunnel) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return tunnelOf(h, f).differences(ctx) })
}

// Note implements Noter: who does not answer.
func (Tunnel) Note(ctx context.Context, h *host.Host, f node.File) string {
	t := tunnelOf(h, f)
	peers, err := t.show(ctx)
	if err != nil {
		return ""
	}
	var silent []string
	for _, e := range t.others() {
		if peers.of[e.Key].quiet(h.Clock.Now(), tunnelSilent) {
			silent = append(silent, e.Name)
		}
	}
	switch {
	case len(silent) == 0:
		return ""
	case t.isHub():
		return "nothing heard from " + strings.Join(silent, ", ")
	}
	if _, err := t.find(ctx); err != nil {
		return fmt.Sprintf("%s does not answer: %v", t.Hub, err)
	}
	return fmt.Sprintf("%s does not answer at %s, UDP port %d", t.Hub, t.Host, t.Port)
}

// tunnel does the work of the step.
type tunnel struct {
	h *host.Host
	node.Tunnel
	own node.End
}

func tunnelOf(h *host.Host, f node.File) tunnel {
	own, _ := f.Tunnel.End(f.Name) // the file is valid
	return tunnel{h, *f.Tunnel, own}
}

func (t tunnel) isHub() bool { return t.own.Name == t.Hub }

// others are the ends that this node speaks to directly.
func (t tunnel) others() []node.End {
	return slices.DeleteFunc(slices.Clone(t.Ends), func(e node.End) bool {
		return e.Name == t.own.Name || !t.isHub() && e.Name != t.Hub
	})
}

// allowed is where packets to and from a peer may go to and come from.
func (t tunnel) allowed(e node.End) string {
	if t.isHub() {
		return e.Address + "/32"
	}
	return t.Network
}

// conf is the configuration for wg(8). It says nothing of calling the hub: what is called
// before it is known where is called again 5 s later at the earliest.
func (t tunnel) conf() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n[Interface]\nPrivateKey = %s\n", oursMark, t.Key)
	if t.isHub() {
		fmt.Fprintf(&b, "ListenPort = %d\n", t.Port)
	}
	for _, e := range t.others() {
		fmt.Fprintf(&b, "\n# %s\n[Peer]\nPublicKey = %s\nAllowedIPs = %s\n", e.Name, e.Key, t.allowed(e))
	}
	return b.String()
}

func (t tunnel) differences(ctx context.Context) ([]difference, error) {
	for _, look := range []func(context.Context) ([]difference, error){
		func(context.Context) ([]difference, error) { return private(t.h, tunnelConf, t.conf()) },
		t.missing, t.configured, t.addressed, t.forwarding, t.calling,
	} {
		if list, err := look(ctx); err != nil || len(list) > 0 {
			return list, err
		}
	}
	return nil, nil
}

// run runs a command.
func (t tunnel) run(ctx context.Context, name string, args ...string) (string, error) {
	res, err := t.h.Runner.Run(ctx, host.Command(name, args...))
	return string(res.Stdout), err
}

// missing makes the interface. A kernel without WireGuard, and without a module of it,
// says that it does not know the type.
func (t tunnel) missing(context.Context) ([]difference, error) {
	if t.h.Files.Exists("/sys/class/net/" + tunnelLink) {
		return nil, nil
	}
	return []difference{{what: "there is no tunnel", doing: "making the tunnel", mend: func(ctx context.Context) error {
		_, err := t.run(ctx, "ip", "link", "add", "dev", tunnelLink, "type", "wireguard")
		if err == nil {
			return nil
		}
		if unitErr := t.h.Units.Restart(ctx, tunnelUnit); unitErr != nil {
			return fmt.Errorf("cannot make the tunnel, neither by the kernel nor by wireguard-go: %w; %w", err, unitErr)
		}
		return nil
	}}}, nil
}

// configured gives the interface its key and its peers.
func (t tunnel) configured(ctx context.Context) ([]difference, error) {
	is, err := t.show(ctx)
	if err != nil {
		return nil, err
	}
	same := is.key == t.own.Key && (!t.isHub() || is.port == fmt.Sprint(t.Port)) && len(is.of) == len(t.others())
	for _, e := range t.others() {
		same = same && is.of[e.Key].allowed == t.allowed(e)
	}
	if same {
		return nil, nil
	}
	return []difference{{what: "the tunnel has other keys or peers", doing: "configuring the tunnel", mend: func(ctx context.Context) error {
		_, err := t.run(ctx, "wg", "syncconf", tunnelLink, tunnelConf)
		return err
	}}}, nil
}

// addressed gives the interface its address, and refuses one that the node's own
// network has use for.
func (t tunnel) addressed(ctx context.Context) ([]difference, error) {
	out, err := t.run(ctx, "ip", "-4", "-oneline", "address", "show")
	if err != nil {
		return nil, err
	}
	network := netip.MustParsePrefix(t.Network) // the file is valid
	want := fmt.Sprintf("%s/%d", t.own.Address, network.Bits())
	var own []string
	for line := range strings.Lines(out) {
		w := strings.Fields(line) // 2: eth0 inet 192.168.2.5/24 ...
		if len(w) < 4 || w[2] != "inet" {
			continue
		}
		if w[1] == tunnelLink {
			own = append(own, w[3])
			continue
		}
		if p, err := netip.ParsePrefix(w[3]); err == nil && p.Overlaps(network) {
			return nil, fmt.Errorf("%s is in %s, and so is the tunnel in %s; give the profile another tunnel_network, build all nodes and flash them",
				w[1], p.Masked(), network)
		}
	}
	if slices.Equal(own, []string{want}) && t.link("mtu") == fmt.Sprint(tunnelMTU) && t.up() {
		return nil, nil
	}
	return []difference{{what: "the tunnel has not its address", doing: "giving the tunnel its address", mend: func(ctx context.Context) error {
		_, flushed := t.run(ctx, "ip", "address", "flush", "dev", tunnelLink)
		_, added := t.run(ctx, "ip", "address", "add", want, "dev", tunnelLink)
		_, set := t.run(ctx, "ip", "link", "set", "dev", tunnelLink, "mtu", fmt.Sprint(tunnelMTU), "up")
		return errors.Join(flushed, added, set)
	}}}, nil
}

// link is what sysfs says of the interface.
func (t tunnel) link(what string) string {
	data, _ := t.h.Files.Read("/sys/class/net/" + tunnelLink + "/" + what)
	return strings.TrimSpace(string(data))
}

// up tells whether the interface is up (IFF_UP in its flags).
func (t tunnel) up() bool {
	var flags uint
	_, err := fmt.Sscanf(t.link("flags"), "0x%x", &flags)
	return err == nil && flags&1 != 0
}
