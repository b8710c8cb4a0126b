package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/host"
)

// calling has a node other than the hub call it where its name leads to, again and again,
// unless it has answered lately: then that is where it is.
func (t tunnel) calling(ctx context.Context) ([]difference, error) {
	if t.isHub() {
		return nil, nil
	}
	hub, err := t.hub(ctx)
	alive := fmt.Sprint(tunnelAlive)
	if err != nil || !hub.quiet(t.h.Clock.Now(), tunnelStale) && hub.alive == alive {
		return nil, err
	}
	at, err := t.find(ctx)
	if err != nil || hub.at == at.String() && hub.alive == alive {
		return nil, nil // all that is left is to ask again later; the Note says so
	}
	key := t.others()[0].Key
	return []difference{{
		what:  fmt.Sprintf("%s is at %s, and the tunnel calls %s, keepalive %s", t.Hub, at, cmp.Or(hub.at, "nobody"), hub.alive),
		doing: fmt.Sprintf("calling %s at %s", t.Hub, at),
		mend: func(ctx context.Context) error {
			if _, err := t.run(ctx, "wg", "set", tunnelLink, "peer", key, "endpoint", at.String(), "persistent-keepalive", alive); err != nil {
				return err
			}
			return t.answer(ctx)
		},
	}}, nil
}

// answer waits a moment for the hub.
func (t tunnel) answer(ctx context.Context) error {
	const pause = 500 * time.Millisecond
	for range tunnelAnswers / pause {
		if err := t.h.Clock.Sleep(ctx, pause); err != nil {
			return err
		}
		if hub, err := t.hub(ctx); err != nil || !hub.quiet(t.h.Clock.Now(), tunnelStale) {
			return err
		}
	}
	return nil
}

// hub is what WireGuard knows of the hub.
func (t tunnel) hub(ctx context.Context) (tunnelPeer, error) {
	is, err := t.show(ctx)
	return is.of[t.others()[0].Key], err
}

// find looks up where the hub is: of several addresses at the first of IPv4, which every
// house has. A name that leads into the tunnel itself leads nowhere.
func (t tunnel) find(ctx context.Context) (netip.AddrPort, error) {
	port := uint16(t.Port)
	if a, err := netip.ParseAddr(t.Host); err == nil {
		return netip.AddrPortFrom(a.Unmap(), port), nil
	}
	limited, cancel := context.WithTimeoutCause(ctx, lookupLimit, errSlow)
	defer cancel()
	list, err := t.h.Lookup(limited, t.Host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%s leads nowhere: %w", t.Host, err)
	}
	network := netip.MustParsePrefix(t.Network)
	for i := range list {
		list[i] = list[i].Unmap()
	}
	list = slices.DeleteFunc(list, network.Contains)
	slices.SortFunc(list, netip.Addr.Compare) // IPv4 comes first
	if len(list) == 0 {
		return netip.AddrPort{}, fmt.Errorf("%s leads nowhere", t.Host)
	}
	return netip.AddrPortFrom(list[0], port), nil
}

// tunnelShown is the tunnel as WireGuard has it.
type tunnelShown struct {
	key  string // the public half
	port string
	of   map[string]tunnelPeer // by their public keys
}

// tunnelPeer is a peer as WireGuard has it.
type tunnelPeer struct {
	at      string // where it was last heard, or is called; "" where that is not known
	allowed string
	alive   string    // seconds, or off
	shaken  time.Time // the last handshake; zero where there was none
}

// quiet tells whether the last handshake is older than d. One in the future was seen by
// a clock that was wrong.
func (p tunnelPeer) quiet(now time.Time, d time.Duration) bool {
	return p.shaken.IsZero() || now.Sub(p.shaken).Abs() > d
}

// show asks WireGuard for everything. The private key is in the answer, so that of a
// failure only what went to stderr is told.
func (t tunnel) show(ctx context.Context) (tunnelShown, error) {
	res, err := t.h.Runner.Run(ctx, host.Command("wg", "show", tunnelLink, "dump"))
	if ce, ok := errors.AsType[*host.CommandError](err); ok {
		err = fmt.Errorf("%w: %s", ce.Err, strings.TrimSpace(string(res.Stderr)))
	}
	if err != nil {
		return tunnelShown{}, fmt.Errorf("cannot look at the tunnel: wg show %s dump: %w", tunnelLink, err)
	}
	is := tunnelShown{of: map[string]tunnelPeer{}}
	for i, line := range strings.Split(strings.TrimSpace(string(res.Stdout)), "\n") {
		w := strings.Split(line, "\t")
		switch {
		case i == 0 && len(w) == 4: // private key, public key, port, mark
			is.key, is.port = w[1], w[2]
		case i > 0 && len(w) == 8: // key, shared key, endpoint, addresses, handshake, received, sent, keepalive
			is.of[w[0]] = peerIn(w)
		default:
			return tunnelShown{}, fmt.Errorf("cannot look at the tunnel: line %d of wg show %s dump has %d fields", i+1, tunnelLink, len(w))
		}
	}
	return is, nil
}

func peerIn(w []string) tunnelPeer {
	p := tunnelPeer{at: w[2], allowed: w[3], alive: w[7]}
	if p.at == "(none)" {
		p.at = ""
	}
	if seconds, err := strconv.ParseInt(w[4], 10, 64); err == nil && seconds > 0 {
		p.shaken = time.Unix(seconds, 0)
	}
	return p
}
