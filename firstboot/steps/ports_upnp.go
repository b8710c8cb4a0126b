package steps

import (
	"context"
	"fmt"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/router"
)

// upnp is the router of this node where it speaks UPnP.
type upnp struct {
	forwarding
	igd *router.IGD
}

// words are what people read in the router's list. They tell, too, that a mapping to
// another address was this node's.
func (u upnp) words() string { return "berry " + u.f.Cluster + "/" + u.f.Name }

func (u upnp) differences(ctx context.Context) ([]difference, error) {
	given, err := u.grants(byUPnP)
	if err != nil {
		return nil, err
	}
	var list []difference
	for _, p := range u.f.Ports {
		more, err := u.port(ctx, p, given[portOf(p).String()])
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

// port compares what the router does with a port with what it should.
func (u upnp) port(ctx context.Context, p node.Port, given grant) ([]difference, error) {
	m, found, err := u.igd.Mapping(ctx, portOf(p))
	whole := lease
	if given.Lease > 0 {
		whole = given.Lease
	}
	forward := func(ctx context.Context) error { return u.forward(ctx, p) }
	ours := m.Client == u.way.Own.String() && m.Port == p.Number
	switch {
	case err != nil:
		return nil, u.byHand(fmt.Sprintf("the router %s does not say where it forwards %v: %v", u.way.Router, portOf(p), err), p)
	case !found:
		return u.differs(p, fmt.Sprintf("does not forward %v", portOf(p)), forward), nil
	case ours && !m.Enabled:
		return u.differs(p, fmt.Sprintf("has the rule for %v switched off", portOf(p)), forward), nil
	case ours && m.Left > 0 && m.Left < whole/2:
		return u.differs(p, fmt.Sprintf("forwards %v for no more than half of the time that it was asked for", portOf(p)), forward), nil
	case ours:
		return nil, nil
	case m.Words == u.words():
		return u.differs(p, fmt.Sprintf("forwards %v to an earlier address of this node, %s", portOf(p), m.To()),
			func(ctx context.Context) error { return u.move(ctx, p, m) }), nil
	}
	return nil, u.taken(p, m.To())
}

// forward asks for a port, and notes for how long it was granted.
func (u upnp) forward(ctx context.Context, p node.Port) error {
	err := u.igd.Forward(ctx, portOf(p), u.words(), lease)
	if router.Refused(err, router.OnlyPermanent) || router.Refused(err, router.InvalidArgs) {
		err = u.igd.Forward(ctx, portOf(p), u.words(), 0)
	}
	if router.Refused(err, router.Conflict) {
		return u.taken(p, "another machine, or uses it itself,")
	}
	if err != nil {
		return u.refused(p, err)
	}
	m, found, err := u.igd.Mapping(ctx, portOf(p))
	if err != nil || !found {
		return err // the look after Act tells
	}
	return u.note(p, grant{By: byUPnP, Way: u.way, At: u.h.Clock.Now(), Lease: m.Left})
}

// move takes a port from an earlier address of this node.
func (u upnp) move(ctx context.Context, p node.Port, m router.Mapping) error {
	if err := u.igd.Forget(ctx, portOf(p)); err != nil {
		end := "for ever"
		if m.Left > 0 {
			end = "for another " + m.Left.Round(time.Minute).String()
		}
		return u.byHand(fmt.Sprintf("the router %s forwards %v to %s, an earlier address of this node, and does so %s: %v; take that away there",
			u.way.Router, portOf(p), m.To(), end, err), p)
	}
	return u.forward(ctx, p)
}
