package peers

import (
	"context"
	"net"
	"net/netip"
)

// Browse tells found where nodes of a cluster say by mDNS that they are, until the context
// ends: for who is no node himself, such as the operator's berry. Nothing of it need be
// true, and all of it is told again and again. The error is why nothing could be heard the
// last time.
func Browse(ctx context.Context, cluster string, found func(name string, at netip.AddrPort)) error {
	tell := func(x sighting) {
		if !x.mayBeOf(cluster) {
			return
		}
		for _, a := range x.addresses[:min(len(x.addresses), maxRoutes)] {
			if possible(a) { // of a link-local IPv6 address nobody knows the link
				found(x.name, netip.AddrPortFrom(a, uint16(x.port)))
			}
		}
	}
	for {
		// A workstation may be on its network by a bridge, unlike a node.
		links, err := linksBut(func(net.Interface) bool { return false })
		if err == nil {
			inner, cancel := context.WithTimeout(ctx, browseEvery)
			err = lan{}.browse(inner, links, tell)
			cancel()
		}
		if !pause(ctx, settle, nil) {
			return err
		}
	}
}
