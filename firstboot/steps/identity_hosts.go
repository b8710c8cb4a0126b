package steps

import (
	"net/netip"
	"slices"
	"strings"
)

// ownAddress is the address that Debian gives a machine's own name while its
// real one may change (Debian Reference, 5.1.1).
const ownAddress = "127.0.1.1"

// localHosts is what /etc/hosts says before anybody adds to it.
const localHosts = `127.0.0.1	localhost
::1		localhost ip6-localhost ip6-loopback
ff02::1		ip6-allnodes
ff02::2		ip6-allrouters
`

// withOwnName returns hosts(5) with "127.0.1.1 NAME" in it exactly once, and
// every line for another address as it was. A line that says so already stays as
// it is; else the new one takes the place of the first for that address. Where
// another address has the name, as with the block that package peers keeps, hosts
// stays as it is.
func withOwnName(hosts, name string) string {
	for line := range strings.Lines(hosts) {
		w := words(line)
		if len(w) == 0 || !slices.Contains(w[1:], name) {
			continue
		}
		if a, err := netip.ParseAddr(w[0]); err == nil && !a.IsLoopback() {
			return hosts
		}
	}
	if strings.TrimSpace(hosts) == "" {
		hosts = localHosts
	}
	if !strings.HasSuffix(hosts, "\n") {
		hosts += "\n"
	}
	lines := slices.Collect(strings.Lines(hosts))
	own := slices.IndexFunc(lines, func(l string) bool { return slices.Equal(words(l), []string{ownAddress, name}) })
	if own < 0 {
		own = slices.IndexFunc(lines, isOwn)
		if own < 0 {
			own = len(lines)
			lines = append(lines, "")
		}
		lines[own] = ownAddress + "\t" + name + "\n"
	}
	var text strings.Builder
	for i, l := range lines {
		if i == own || !isOwn(l) {
			text.WriteString(l)
		}
	}
	return text.String()
}

// isOwn tells whether a line is for the machine's own name.
func isOwn(line string) bool {
	w := words(line)
	return len(w) > 0 && w[0] == ownAddress
}

// words are the address and the names of a line, without its comment.
func words(line string) []string {
	line, _, _ = strings.Cut(line, "#")
	return strings.Fields(line)
}
