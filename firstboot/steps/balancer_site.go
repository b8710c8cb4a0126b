package steps

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"berries/firstboot/node"
)

const (
	// balancerURL is answered to this machine alone; others get what the members have
	// by that name.
	balancerURL = "/berry-balancer"
	// againURL is where a request goes that a member has left without an answer.
	againURL = "/berry-again"
)

// balancerModules are the modules of the site, those they depend on among them. The
// watchdog, which has the health asked for, is compiled in on Debian.
var balancerModules = []string{
	"proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "proxy_hcheck", "rewrite", "headers",
}

// siteWith is the configuration of the site. What it decides:
//
// Health is asked for every two seconds: a member that is dead, or says that it does
// not serve, is out after one answer, and back after one. A member that cannot be
// connected to, says nothing for too long or answers with 503 is out for five seconds
// at once; the request that found out is not lost. mod_proxy itself asks the next
// member where none of it was sent; a GET or HEAD that was sent and not answered, or
// answered with 503, starts again through an error document, once, as its visitor
// wrote it (with %3F in it, that takes Apache 2.4.60).
//
// Where a remote node has a copy of its own, a request that has waited at a storage node
// goes there, as it would wait at the next storage node, too: they all stand still for a
// while when one of them has died. The other way it goes if the remote node cannot be
// connected to; connections that are kept would not tell.
//
// Members close an idle connection after 5 s. Here they live for 3, so that no
// request is sent into one that is being closed. Names are resolved again every 10 s.
//
// Whatever the packaged configuration has besides is closed, as for Web. The page
// that shows and changes the balancer is for this machine.
//
// With a certificate the site moves to the port of HTTPS, members and all, so that
// their health is asked for once.
func (b balancer) siteWith(sum string) string {
	look := fmt.Sprintf(`	RewriteCond %%{REMOTE_ADDR} =127.0.0.1
	RewriteRule ^%[1]s$ - [R=204,L]
	<Location %[1]s>
		Header always set %[2]s "%[3]s"
	</Location>
`, balancerURL, sumHeader, sum)
	head := fmt.Sprintf("%s\nServerName %s\nServerTokens Prod\nServerSignature Off\n", oursMark, bracketed(b.ServerName))
	if b.HTTPS != nil {
		head += b.certificates()
	}
	if b.secure == 0 {
		return head + b.virtualHost(b.port, b.content()+look)
	}
	return head + b.virtualHost(b.port, look+b.redirect()) + b.virtualHost(b.secure, b.tls()+b.content())
}

// virtualHost is the site at one port.
func (b balancer) virtualHost(port int, text string) string {
	var aliases strings.Builder
	for _, alias := range b.Aliases {
		fmt.Fprintf(&aliases, "\tServerAlias %s\n", bracketed(alias))
	}
	return fmt.Sprintf(`<VirtualHost *:%[1]d>
	ServerName %[2]s
%[3]s	ErrorLog ${APACHE_LOG_DIR}/%[4]s.error.log
	LogLevel warn
	CustomLog ${APACHE_LOG_DIR}/%[4]s.access.log combined
	Timeout 60

	RewriteEngine On
	RewriteCond %%{REQUEST_METHOD} =CONNECT
	RewriteRule ^ - [R=405,L]
%[5]s</VirtualHost>
`, port, bracketed(b.ServerName), aliases.String(), b.ServerName, text)
}

// content is what visitors get.
func (b balancer) content() string {
	proxies, again := group("members", b.Members, b.member), againAmong("members")
	if len(b.copies) > 0 {
		proxies += group("again", b.Members, b.memberAgain)
		again = b.whereCopyFailed() + again + againAmong("again")
	}
	return fmt.Sprintf(`
	ProxyRequests Off
	ProxyPreserveHost On
	ProxyHCExpr healthy {%%{REQUEST_STATUS} == 200}
%[1]s	ProxyPass /balancer-manager !
	ProxyPass / balancer://members/
	ProxyPassReverse / balancer://members/
	<Location /balancer-manager>
		SetHandler balancer-manager
		Require local
	</Location>
	<Location /server-status>
		SetHandler none
		Require all granted
	</Location>

	# What a visitor says about whom it speaks for is not passed on.
	RequestHeader unset X-Forwarded-For
	RequestHeader unset X-Forwarded-Host
	RequestHeader unset X-Forwarded-Server
	Header unset Server
	Header always set Retry-After 10 "expr=%%{REQUEST_STATUS} == 503"

	ProxyErrorOverride On 503
	<If "%%{REQUEST_METHOD} =~ /^(GET|HEAD)$/ && -z %%{HTTP:Content-Length} && -z %%{HTTP:Transfer-Encoding}">
		ErrorDocument 502 %[2]s
		ErrorDocument 503 %[2]s
		ErrorDocument 504 %[2]s
	</If>
	<Location %[2]s>
		ProxyErrorOverride Off
	</Location>
%[3]s`, proxies, againURL, again)
}

// asWritten finds the path and the query of a request as its visitor wrote them.
const asWritten = `[A-Z]+ (?:https?://[^/ ]*)?(/[^ ]*)`

// againAmong has a request that was left without an answer start again among members.
func againAmong(members string) string {
	return fmt.Sprintf(`	RewriteCond %%{ENV:REDIRECT_STATUS} ^50[234]$
	RewriteCond %%{THE_REQUEST} "^%s"
	RewriteRule ^%s$ balancer://%s%%1 [P,NE,UnsafeAllow3F]
`, asWritten, againURL, members)
}

// whereCopyFailed keeps the rule below it to requests that a member with a copy of its
// own has left without an answer.
func (b balancer) whereCopyFailed() string {
	var urls []string
	for _, m := range b.Members {
		if b.copies[m.Name] {
			urls = append(urls, regexp.QuoteMeta(memberURL(m)))
		}
	}
	return fmt.Sprintf("\tRewriteCond %%{ENV:REDIRECT_BALANCER_WORKER_NAME} \"^(?:%s)$\"\n", strings.Join(urls, "|"))
}

// group is a set of members among whom requests are shared out.
func group(name string, members []node.Server, line func(node.Server) string) string {
	var text strings.Builder
	for _, m := range members {
		text.WriteString("\t\t" + line(m) + "\n")
	}
	return fmt.Sprintf(`	<Proxy balancer://%s>
%s		ProxySet lbmethod=byrequests failonstatus=503 failontimeout=On
	</Proxy>
`, name, text.String())
}

// member is the line of a member that is asked first.
func (b balancer) member(m node.Server) string {
	line := memberLine(m, b.patience)
	if m.Standby {
		line += " status=+H"
	}
	return line
}

// memberAgain is the line of a member that is asked when another had no answer.
func (b balancer) memberAgain(m node.Server) string {
	if b.copies[m.Name] {
		return memberLine(m, patienceWithRemote) + " disablereuse=On lbset=0"
	}
	return memberLine(m, patienceAlone) + " lbset=1"
}

// memberLine is what all lines of a member have; it may say nothing for so many seconds.
func memberLine(m node.Server, patience int) string {
	line := fmt.Sprintf("BalancerMember %s connectiontimeout=2 timeout=%d retry=5 ttl=3"+
		" hcmethod=GET hcuri=%s hcexpr=healthy hcinterval=2 hcpasses=1 hcfails=1", memberURL(m), patience, healthURL)
	if _, err := netip.ParseAddr(m.Host); err != nil {
		line += " addressttl=10"
	}
	return line
}

// memberURL is what Apache knows a member by.
func memberURL(m node.Server) string { return fmt.Sprintf("http://%s:%d", bracketed(m.Host), m.Port) }

// bracketed is a host as a URL has it.
func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}
