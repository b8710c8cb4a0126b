package profiles

import (
	"net/netip"
	"regexp"
	"strings"
	"unicode"
)

// label is a host name of RFC 1123, one part of it, in lower case.
var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

var onlyDigits = regexp.MustCompile(`^[0-9]+$`)

func readClusterName(m *mapping) string {
	name := m.need("cluster", "berries")
	m.refuse("cluster", labelProblem(name))
	return name
}

// labelProblem judges the name of a cluster or a node. A name of digits alone
// is refused although RFC 1123 has it: programs take it for an address.
func labelProblem(name string) problem {
	switch {
	case name == "localhost" || onlyDigits.MatchString(name):
		return misleadingLabel(name)
	case label.MatchString(name):
		return problem{}
	case label.MatchString(strings.ToLower(name)):
		return upperCaseLabel(strings.ToLower(name))
	}
	return badLabel
}

// domainProblem judges a name in the DNS, which has at least two parts.
func domainProblem(name string) problem {
	parts := strings.Split(strings.ToLower(name), ".")
	if len(parts) < 2 || len(name) > 253 || onlyDigits.MatchString(parts[len(parts)-1]) {
		return badDomain
	}
	for _, part := range parts {
		if !label.MatchString(part) {
			return badDomain
		}
	}
	return problem{}
}

// hostProblem judges where a node is reached: a name in the DNS or an address.
func hostProblem(host string) problem {
	if addr, err := netip.ParseAddr(host); err == nil && addr.Zone() == "" {
		return problem{}
	}
	if domainProblem(host).exists() {
		return badHost
	}
	return problem{}
}

// isControl tells whether a character has no place in a line of text.
func isControl(r rune) bool { return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' }
