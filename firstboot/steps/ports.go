package steps

import (
	"context"
	"fmt"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/router"
)

// Ports has the router of the house forward ports to this node: those that the profile
// names, each under its own number.
//
// It needs a router that speaks UPnP or NAT-PMP and lets this node ask. UPnP is tried
// first, since only that tells what the router does: whether it still forwards, to
// whom, and for how long yet. With NAT-PMP the step knows by what it was granted, which
// it notes (see grants), and by the router's count of time, which begins anew when it
// has forgotten.
//
// Whatever is granted ends after a day, unless the router knows no end, and is asked
// for anew after half of it; with NAT-PMP every hour. A port that leads to another machine is not taken away
// from it; one that leads to an address that this node had before is.
//
// Where the router will not, or is none that can be asked, the step fails with what a
// person has to enter there. Nothing on the node needs it.
type Ports struct{}

// Name implements Step.
func (Ports) Name() string { return "ports" }

// Spared implements Spared.
func (Ports) Spared() {}

// Look implements Step. It asks the router, and fails where that cannot be asked.
func (Ports) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	r, err := forwarderOf(ctx, h, f)
	if err != nil {
		return nil, err
	}
	list, err := r.differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits for nothing but answers of the router, each for seconds.
func (Ports) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	r, err := forwarderOf(ctx, h, f)
	if err != nil {
		return err
	}
	return mendAll(ctx, say, func() ([]difference, error) { return r.differences(ctx) })
}

// lease is how long the router is asked to forward a port. A node that hangs at a step
// before this one keeps its ports for half of it, and a router that lets nobody take a
// mapping over from an earlier address of his has let go after all of it.
const lease = 24 * time.Hour

// forwarder is a router that can be asked.
type forwarder interface {
	differences(ctx context.Context) ([]difference, error)
}

// portOf is a port as the router has it.
func portOf(p node.Port) router.Port {
	return router.Port{UDP: p.For == node.TunnelPort, Number: p.Number}
}

// another is what a person does where a port cannot be had. All nodes call the hub at
// the tunnel's.
func another(p node.Port) string {
	if p.For == node.TunnelPort {
		return "give the cluster another tunnel_port in the profile and build every card anew"
	}
	return fmt.Sprintf("give this node another %s_port in the profile and build its card anew", p.For)
}

// forwarding is what all forwarders need.
type forwarding struct {
	h   *host.Host
	f   node.File
	way router.Way
}

// forwarderOf finds out how the router can be asked.
func forwarderOf(ctx context.Context, h *host.Host, f node.File) (forwarder, error) {
	way, err := router.Default(h)
	if err != nil {
		return nil, err
	}
	with := forwarding{h, f, way}
	if (natpmp{with}).grantedBefore() { // then nobody waits for the silence of UPnP
		if pmp, err := router.FindNATPMP(ctx, h, way); err == nil && pmp != nil {
			return natpmp{with}, nil
		}
	}
	igd, noUPnP := router.FindIGD(ctx, h, way)
	if igd != nil {
		return upnp{with, igd}, nil
	}
	pmp, err := router.FindNATPMP(ctx, h, way)
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case pmp != nil:
		return natpmp{with}, nil
	case err != nil:
		return nil, with.byHand(fmt.Sprintf("the router %s forwards no port by NAT-PMP: %v", way.Router, err), f.Ports...)
	case noUPnP != nil:
		return nil, with.byHand(noUPnP.Error(), f.Ports...)
	}
	return nil, with.byHand(fmt.Sprintf("the router %s offers neither UPnP nor NAT-PMP; switch one of them on there", way.Router), f.Ports...)
}

// byHand is an error that ends with what a person has to enter.
func (w forwarding) byHand(why string, ports ...node.Port) error {
	var rules []string
	for _, p := range ports {
		rules = append(rules, fmt.Sprintf("%v to %s port %d", portOf(p), w.way.Own, p.Number))
	}
	return fmt.Errorf("%s; or forward by hand: %s", why, strings.Join(rules, ", and "))
}

// differs makes the difference of a port that is not forwarded as it should be.
func (w forwarding) differs(p node.Port, is string, mend func(context.Context) error) []difference {
	return []difference{{
		what:  fmt.Sprintf("the router %s %s", w.way.Router, is),
		doing: fmt.Sprintf("having the router %s forward %v", w.way.Router, portOf(p)),
		mend:  mend,
	}}
}

// refused is the router's no to forwarding a port.
func (w forwarding) refused(p node.Port, err error) error {
	return w.byHand(fmt.Sprintf("the router %s does not forward %v: %v; allow it there", w.way.Router, portOf(p), err), p)
}

// taken is that somebody else has a port.
func (w forwarding) taken(p node.Port, to string) error {
	return fmt.Errorf("the router %s forwards %v to %s already; take that away there, or %s", w.way.Router, portOf(p), to, another(p))
}
