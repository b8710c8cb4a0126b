package steps

import (
	"context"
	"net/http"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Balancer has Apache share the visitors out among the nodes that serve the volume.
//
// It needs the package apache2. It leaves a site of its own (see balancer.site), the
// modules that it needs, a list of ports with nothing but the node's, no packaged
// default site, and Apache running, at every boot from then on. Nobody waits for the
// members here: Apache asks each for its health, and takes those that answer.
//
// With HTTPS the site is served there, and plain HTTP leads to it (see balancer_tls.go).
// A certificate that was given lies in a file beside; without one that an authority has
// yet to give (see Certificate), the site is served over plain HTTP.
//
// The step holds when Apache answers balancerURL, which it does to this machine alone,
// with the sum of the configuration above, which so is the one that it runs with.
type Balancer struct{}

// Name implements Step.
func (Balancer) Name() string { return "balancer" }

// Look implements Step. It asks Apache once.
func (Balancer) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := balancerOf(h, f).differences(ctx)
	return stateOf(list), err
}

// Act implements Step.
func (Balancer) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return balancerOf(h, f).differences(ctx) })
}

// balancer does the work of the step.
type balancer struct {
	httpd
	node.Balancing
	// patience is how long a member may say nothing, seconds.
	patience int
	// copies are the members with a copy of their own, by name.
	copies map[string]bool
	// certified are the names that the site's certificate is for, the site's own among
	// them; none where there is no certificate.
	certified []string
	unread    error // why the certificate could not be looked at
}

// How long members may say nothing, seconds. While a storage node is gone that has
// not said good-bye, the others stand still for up to twice the volume's ping timeout
// of 10 s. Where a remote node has a copy it bridges that; where there is none,
// nobody has an answer earlier than the node that was asked.
const (
	patienceWithRemote = 5
	patienceAlone      = 25
)

func balancerOf(h *host.Host, f node.File) balancer {
	b := balancer{
		httpd:     httpd{h: h, port: f.Balancer.Port, url: balancerURL, modules: balancerModules},
		Balancing: *f.Balancer, patience: patienceAlone, copies: map[string]bool{},
	}
	remote := map[string]bool{}
	for _, n := range f.Nodes {
		remote[n.Name] = n.Role == node.Remote
	}
	for _, m := range b.Members {
		if remote[m.Name] {
			b.patience, b.copies[m.Name] = patienceWithRemote, true
		}
	}
	if b.HTTPS != nil {
		b.modules = append(b.httpsModules(), b.modules...)
		if b.certified, b.unread = b.covered(); len(b.certified) > 0 {
			b.secure = b.HTTPS.Port
		}
	}
	b.text = b.siteWith
	return b
}

func (b balancer) differences(ctx context.Context) ([]difference, error) {
	if b.unread != nil {
		return nil, b.unread
	}
	if b.HTTPS != nil && b.HTTPS.Pair != nil {
		if list, err := private(b.h, pairPath, pairText(*b.HTTPS.Pair)); err != nil || len(list) > 0 {
			return list, err
		}
	}
	if list, err := b.configured(); err != nil || len(list) > 0 {
		return list, err
	}
	code, list, err := b.running(ctx)
	if err == nil && len(list) == 0 && code != http.StatusNoContent {
		err = b.odd(code)
	}
	return list, err
}
