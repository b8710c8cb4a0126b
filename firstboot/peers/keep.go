package peers

import (
	"context"
	"net/netip"
	"slices"
	"strings"
)

// keepHosts keeps the block in /etc/hosts what it has to be, whoever else writes
// that file.
func (s *Service) keepHosts(ctx context.Context) {
	failed := ""
	for {
		failed = s.complain(failed, "cannot keep the nodes in "+hostsPath, s.mendHosts())
		if !pause(ctx, hostsEvery, s.hosting) {
			return
		}
	}
}

func (s *Service) mendHosts() error {
	if _, err := s.files.Stat(hostsPath); err != nil {
		return err // the identity step makes one
	}
	return s.files.Edit(hostsPath, 0o644, func(text string) string {
		return Hosts(text, s.entries(block(text)), s.self.Name)
	})
}

// entries is what the block has to hold, given what it held. A node that is
// silent keeps its last address, and one that was never heard its fixed one:
// glusterd does not start when it cannot resolve the name of a brick's node.
func (s *Service) entries(before []Entry) []Entry {
	at := map[string]netip.Addr{}
	for _, k := range s.self.Known {
		if a, ok := listed(k.Addresses, netip.Addr{}); ok {
			at[k.Name] = a
		}
	}
	for _, e := range before {
		if len(s.self.Known) == 0 || slices.ContainsFunc(s.self.Known, func(k Known) bool { return k.Name == e.Name }) {
			at[e.Name] = e.Addr
		}
	}
	for _, p := range s.Peers() {
		if a, ok := listed(p.Addresses, netip.Addr{}); ok {
			at[p.Name] = a
		}
	}
	for _, e := range s.self.Tunnel {
		at[e.Name] = e.Addr
	}
	own, ok := s.own(at[s.self.Name])
	if at[s.self.Name] = own; !ok {
		delete(at, s.self.Name)
	}
	var list []Entry
	for name, a := range at {
		list = append(list, Entry{a, name})
	}
	slices.SortFunc(list, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// abroad tells whether a node is in another house.
func (s *Service) abroad(name string) bool {
	return slices.ContainsFunc(s.self.Tunnel, func(e Entry) bool { return e.Name == name })
}

// own is this node's address for its own name: the one it had, if it still has
// that.
func (s *Service) own(had netip.Addr) (netip.Addr, bool) {
	var all []netip.Addr
	for _, l := range s.current() {
		all = append(all, l.Addresses...)
	}
	return listed(all, had)
}

// listed is the address of several that goes into a hosts file: the preferred
// one where it is among them. A link-local IPv6 address means nothing there, for a
// hosts file has no zones.
func listed(all []netip.Addr, prefer netip.Addr) (netip.Addr, bool) {
	if slices.Contains(all, prefer) {
		return prefer, true
	}
	for _, v4 := range []bool{true, false} {
		for _, a := range all {
			if a.Is4() == v4 && (v4 || !a.IsLinkLocalUnicast()) {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}
