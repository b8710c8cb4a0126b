package profiles

import (
	"regexp"
	"slices"
	"strings"
)

// ddnsProtocols are the protocols that ddclient 3.10 (bookworm) and 3.11
// (trixie) both have and that need no more than a server, a login, a password
// and a host. The others want a zone, a record number or a URL of their own.
var ddnsProtocols = append(strings.Fields(`
	dyndns2 dyndns1 changeip dinahosting dondominio easydns freedns namecheap noip ovh
	woima yandex zoneedit1`), ddnsTokenProtocols...)

// ddnsTokenProtocols know their customer by the password alone.
var ddnsTokenProtocols = strings.Fields("1984 duckdns freemyip keysystems njalla")

// ddnsServer is a host name, perhaps with a port and a path, as ddclient takes
// it: without https:// in front.
var ddnsServer = regexp.MustCompile(`^([A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$`)

// ddnsLogin is what a line of ddclient.conf can hold: # begins a comment, even
// between quotes, and several blanks become one.
var ddnsLogin = regexp.MustCompile(`^([^\x00-\x20\x7f#=]+( [^\x00-\x20\x7f#=]+)*)?$`)

// readDDNS reads the account of the cluster, which the remote node uses, or of one node.
func readDDNS(of *mapping) *DDNS {
	m := of.below("ddns", "ddns")
	if m == nil {
		return nil
	}
	d := &DDNS{
		Protocol: m.text("protocol", "dyndns2"),
		Server:   m.need("server", "dyndns.example.net/nic/update"),
		Password: m.secret("password", ddnsPasswordProblem),
		Host:     m.need("host", "berries.example.net"),
	}
	m.refuse("server", ddnsServerProblem(d.Server))
	m.refuse("host", domainProblem(d.Host))
	if !slices.Contains(ddnsProtocols, d.Protocol) {
		m.refuse("protocol", notOneOf("protocol", d.Protocol, ddnsProtocols))
	}
	if d.Login = m.text("login", ""); !m.has("login") && !slices.Contains(ddnsTokenProtocols, d.Protocol) {
		m.refuse("login", missing("login", "NAME"))
	}
	if !ddnsLogin.MatchString(d.Login) {
		m.refuse("login", badLogin)
	}
	if d.Password.IsZero() && !m.wrong("password", "password_file", "password_env") {
		m.refuse("password_file", missing("password_file", "ddns-password"))
	}
	return d
}

func ddnsServerProblem(server string) problem {
	if _, rest, scheme := strings.Cut(server, "://"); scheme {
		return serverWithScheme(rest)
	}
	parts := ddnsServer.FindStringSubmatch(server)
	if parts == nil || domainProblem(parts[1]).exists() {
		return badServer
	}
	return problem{}
}

func ddnsPasswordProblem(password string) problem {
	if password == "" || strings.ContainsFunc(password, isControl) {
		return badPassword
	}
	return problem{}
}
