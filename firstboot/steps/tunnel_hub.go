package steps

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// tunnelTable is the routing table of what comes out of the tunnel on the hub, and the
// place of the rule that leads to it.
const tunnelTable = "8383"

// forwarding has the hub pass on what comes out of the tunnel and is for another node in
// it, and no other node forward anything.
//
// The kernel is told to forward what comes in by berry0 alone, not by the other
// interfaces. And what comes in by it is looked up in a table of its own, behind the one
// of the hub's own addresses: the tunnel's network is there, and nothing else can be
// reached. So nobody in the tunnel gets into the hub's network by it or out to the
// internet, whatever a firewall lets through. That a node does not speak for another,
// WireGuard sees to: it drops what comes from a peer and has not that one's address.
func (t tunnel) forwarding(ctx context.Context) ([]difference, error) {
	const forwarding = "/proc/sys/net/ipv4/conf/" + tunnelLink + "/forwarding"
	want := "0"
	if t.isHub() {
		want = "1"
		if list, err := t.confined(ctx); err != nil || len(list) > 0 {
			return list, err
		}
	}
	is, err := t.h.Files.Read(forwarding)
	if err != nil || strings.TrimSpace(string(is)) == want {
		return nil, err
	}
	return []difference{{
		what:  fmt.Sprintf("forwarding in the tunnel is %s, not %s", strings.TrimSpace(string(is)), want),
		doing: "setting what the tunnel forwards",
		mend: func(ctx context.Context) error {
			_, err := t.run(ctx, "sysctl", "--quiet", "--write", "net.ipv4.conf."+tunnelLink+".forwarding="+want)
			return err
		},
	}}, nil
}

// confined looks for the table, and the rule that leads to it.
func (t tunnel) confined(ctx context.Context) ([]difference, error) {
	rules, err := t.run(ctx, "ip", "-4", "rule", "show")
	if err != nil {
		return nil, err
	}
	hasRule := false
	for line := range strings.Lines(rules) {
		w := strings.Join(strings.Fields(line), " ")
		hasRule = hasRule || w == tunnelTable+": from all iif "+tunnelLink+" lookup "+tunnelTable
	}
	routes, err := t.run(ctx, "ip", "-4", "route", "show", "table", tunnelTable) // fails where there is no such table
	inside := strings.Contains(routes, t.Network+" dev "+tunnelLink+" ")
	if err == nil && inside && strings.Contains(routes, "unreachable default") && hasRule {
		return nil, nil
	}
	return []difference{{what: "what comes out of the tunnel may go anywhere", doing: "keeping the tunnel to itself", mend: func(ctx context.Context) error {
		_, closed := t.run(ctx, "ip", "-4", "route", "replace", "unreachable", "default", "table", tunnelTable)
		_, inside := t.run(ctx, "ip", "-4", "route", "replace", t.Network, "dev", tunnelLink, "table", tunnelTable)
		if hasRule {
			return errors.Join(closed, inside)
		}
		_, rule := t.run(ctx, "ip", "-4", "rule", "add", "iif", tunnelLink, "lookup", tunnelTable, "priority", tunnelTable)
		return errors.Join(closed, inside, rule)
	}}}, nil
}
