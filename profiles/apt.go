package profiles

import (
	"net/url"
	"strings"
)

// Apt is how a build gets at Debian's packages, where the base's own sources
// are not reached directly. It changes where bytes come from, not which: what
// is downloaded is checked all the same.
type Apt struct {
	Proxy   string   `json:"proxy,omitempty"` // URL of an apt proxy, such as http://proxy:3142; "" for none
	Mirrors []Mirror `json:"mirrors,omitempty"`
}

// Mirror replaces the beginning of the addresses in the base's sources.
type Mirror struct {
	From string `json:"from"` // URL
	To   string `json:"to"`   // URL
}

func readApt(root *mapping) Apt {
	var a Apt
	m := root.below("apt", "apt")
	if m == nil {
		return a
	}
	if m.has("proxy") {
		a.Proxy = m.text("proxy", "")
		m.refuse("proxy", proxyProblem(a.Proxy))
	}
	for _, item := range m.list("mirrors") {
		if one := m.in.mapping(item.value, item.place, "mirror"); one != nil {
			a.Mirrors = append(a.Mirrors, readMirror(one))
		}
	}
	return a
}

func readMirror(m *mapping) Mirror {
	one := Mirror{
		From: m.need("from", "http://deb.debian.org/debian"),
		To:   m.need("to", "http://ftp.de.debian.org/debian"),
	}
	m.refuse("from", urlProblem(one.From))
	m.refuse("to", urlProblem(one.To))
	return one
}

// proxyProblem judges the address of a proxy, which is a host and a port.
func proxyProblem(raw string) problem {
	if p := urlProblem(raw); p.exists() {
		return p
	}
	if u, err := url.Parse(raw); err != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return proxyWithPath
	}
	return problem{}
}
