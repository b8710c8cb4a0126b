package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"berries/firstboot/host"
)

// mac is the hardware address of a node's card: the same at every boot, for wiped
// nodes too, as a board's is.
func (n record) mac() string { return fmt.Sprintf("02:00:5e:00:02:%02x", n.Number) }

// port is the node's side of its site's bridge.
func (n record) port() string { return fmt.Sprintf("port%d", n.Number) }

// site is where the node is.
func (n record) site() site { return siteOf(n.Role) }

// first is the address that DHCP gives the node at first.
func (n record) first() netip.Addr { return n.site().host(firstHosts + n.Number) }

// connect makes the node's card and puts the cable in, unless it is out.
func (l *Lab) connect(ctx context.Context, n record) error {
	err := l.join(ctx, n.site(), n.Name, n.port(), n.mac())
	if err != nil || n.Unplugged {
		return err
	}
	return l.ip(ctx, n.site().name, "link", "set", n.port(), "up")
}

// join makes a namespace whose eth0 leads to a port of a site's bridge, which is down.
func (l *Lab) join(ctx context.Context, s site, name, port, mac string) error {
	if err := l.command(ctx, "ip", "netns", "add", l.Namespace(name)); err != nil {
		return err
	}
	if err := l.ip(ctx, s.name, "link", "add", port, "type", "veth",
		"peer", "name", "eth0", "address", mac, "netns", l.Namespace(name)); err != nil {
		return err
	}
	return l.ip(ctx, s.name, "link", "set", port, "master", "lan")
}

// disconnect takes the node's card away, and with it all that the kernel knew of
// the node's network: addresses, routes, connections.
func (l *Lab) disconnect(ctx context.Context, n record) error {
	if _, err := os.Stat(l.namespaceFile(n.Name)); err != nil {
		return nil
	}
	// The namespace ends in its own time, the link now.
	gone := l.ip(ctx, n.site().name, "link", "del", n.port())
	return errors.Join(gone, l.command(ctx, "ip", "netns", "del", l.Namespace(n.Name)))
}

// Unplug pulls a node's network cable. It stays out until Plug, also when the node
// is started anew.
func (l *Lab) Unplug(ctx context.Context, name string) error { return l.cable(ctx, name, false) }

// Plug puts a node's network cable back in.
func (l *Lab) Plug(ctx context.Context, name string) error { return l.cable(ctx, name, true) }

func (l *Lab) cable(ctx context.Context, name string, in bool) error {
	n, err := l.load(name)
	if err != nil {
		return err
	}
	n.Unplugged = !in
	if err := l.save(n); err != nil {
		return err
	}
	if _, err := os.Stat(l.namespaceFile(name)); err != nil {
		return nil // for the next start
	}
	return l.ip(ctx, n.site().name, "link", "set", n.port(), map[bool]string{true: "up", false: "down"}[in])
}

// blink is how long a link must be down for the node to take notice.
const blink = 300 * time.Millisecond

// Renumber has DHCP give a node another address, and returns it. The link blinks, as
// it does when a router is restarted, so that the node asks at once; one whose cable
// is out, or that is off, will ask later.
func (l *Lab) Renumber(ctx context.Context, name string) (netip.Addr, error) {
	n, err := l.load(name)
	if err != nil {
		return netip.Addr{}, err
	}
	if n.Address == n.first() {
		n.Address = n.site().host(otherHosts + n.Number)
	} else {
		n.Address = n.first()
	}
	if err := l.save(n); err != nil {
		return netip.Addr{}, err
	}
	if err := l.rereadHosts(n.site()); err != nil || n.Unplugged {
		return n.Address, err
	}
	if err := l.Unplug(ctx, name); err != nil {
		return netip.Addr{}, err
	}
	err = host.Wall{}.Sleep(ctx, blink)
	return n.Address, errors.Join(err, l.Plug(context.WithoutCancel(ctx), name))
}

// addressNow is what a node's card has, which is what DHCP gave it or a static
// address; the zero Addr while it has none.
func (l *Lab) addressNow(ctx context.Context, name string) (netip.Addr, error) {
	return l.addressOn(ctx, name, "eth0")
}

// addressOn is the first IPv4 address of a card in one of the lab's namespaces.
func (l *Lab) addressOn(ctx context.Context, name, card string) (netip.Addr, error) {
	res, err := l.run.Run(ctx, host.Command("ip", "-n", l.Namespace(name), "-json", "-4", "addr", "show", "dev", card, "scope", "global"))
	if err != nil {
		return netip.Addr{}, err
	}
	var links []struct {
		Addresses []struct {
			Local netip.Addr `json:"local"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal(res.Stdout, &links); err != nil {
		return netip.Addr{}, err
	}
	for _, link := range links {
		for _, a := range link.Addresses {
			return a.Local, nil
		}
	}
	return netip.Addr{}, nil
}
