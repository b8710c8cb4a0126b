package steps

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"berries/firstboot/node"
)

const (
	// pairPath is a file with a certificate that was given, and its key: one file, so
	// that Apache never starts with the one and not the other.
	pairPath = "/etc/berry/tls/site.pem"
	// mdDir is where mod_md keeps what it has from an authority.
	mdDir = "/var/lib/apache2/md"
)

func pairText(p node.Pair) string {
	return strings.TrimSpace(p.Chain) + "\n" + strings.TrimSpace(p.Key) + "\n"
}

// httpsModules are the modules that HTTPS needs besides.
func (b balancer) httpsModules() []string {
	list := []string{"ssl", "socache_shmcb"}
	if b.HTTPS.ACME != nil {
		list = append(list, "md")
	}
	return list
}

// names are the site's names, its own first, in the form that mod_md stores them by.
func (b balancer) names() []string {
	var list []string
	for _, name := range append([]string{b.ServerName}, b.Aliases...) {
		if name = strings.ToLower(name); !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// stored is a file of what mod_md has for this site: in "domains" what Apache uses, in
// "staging" what it will use when it starts again.
func (b balancer) stored(part, name string) string {
	return mdDir + "/" + part + "/" + b.names()[0] + "/" + name
}

// covered are the names that the certificate is for which Apache has when it starts.
// One that is not for the site's own name is none: mod_md renames what it has when
// the site gets another one.
func (b balancer) covered() ([]string, error) {
	cert, err := b.certificate()
	if cert == nil || err != nil || cert.VerifyHostname(b.ServerName) != nil {
		return nil, err
	}
	return slices.DeleteFunc(b.names(), func(name string) bool { return cert.VerifyHostname(name) != nil }), nil
}

// certificate is the site's own; nil where there is none that can be read.
func (b balancer) certificate() (*x509.Certificate, error) {
	var text []byte
	if b.HTTPS.Pair != nil {
		text = []byte(b.HTTPS.Pair.Chain)
	} else {
		var err error
		if text, err = b.h.Files.Read(b.stored("domains", "pubcert.pem")); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, nil
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil // as mod_md has it: it gets another one
	}
	return cert, nil
}

// certificates tells Apache where certificates come from. With ACME mod_md is told of
// the names from the start, and to get their certificate though no site uses it yet:
// until it is there nobody listens at the port of HTTPS, so that no visitor ever sees
// the certificate that mod_md signs itself meanwhile.
func (b balancer) certificates() string {
	text := "SSLSessionCache shmcb:${APACHE_RUN_DIR}/ssl_scache(512000)\n"
	if b.HTTPS.ACME == nil {
		return text
	}
	return text + fmt.Sprintf(`MDStoreDir %s
MDCertificateAgreement accepted
MDCertificateAuthority %s
MDContactEmail %s
MDCAChallenges http-01
MDRenewMode always
MDMembers manual
MDomain %s
`, mdDir, b.HTTPS.ACME.Server, b.HTTPS.ACME.Email, strings.Join(b.names(), " "))
}

// tls is what makes a site one of HTTPS. What it decides:
//
// Ciphers are those with forward secrecy and authenticated encryption, which browsers
// have had for ten years.
//
// Browsers are told to keep to HTTPS for a week (HSTS): it spares who comes again the
// way over plain HTTP, and an owner who takes HTTPS out of the profile gets those
// visitors back in a week, not in a year. Other names of the domain are not ours to
// decide on. At other ports than the usual ones browsers would look for HTTPS where
// there is none, so there they are told nothing.
//
// There is no HTTP/2. When a member breaks an answer off, mod_proxy closes the
// connection of a visitor who has asked over it before, so that the browser asks again.
// Over HTTP/2 the visitor gets a 500 instead, whatever error document there is (Apache
// 2.4.71): mod_http2 says of every request that it is not the first.
//
// Members are asked over plain HTTP, and lead visitors to it.
func (b balancer) tls() string {
	var text strings.Builder
	if p := b.HTTPS.Pair; p != nil {
		// The sum of this changes with the certificate.
		fmt.Fprintf(&text, "\t# %x\n\tSSLCertificateFile %s\n", sha256.Sum256([]byte(pairText(*p))), pairPath)
	}
	text.WriteString(`	SSLEngine On
	SSLProtocol -all +TLSv1.2 +TLSv1.3
	SSLCipherSuite ECDHE+AESGCM:ECDHE+CHACHA20
	SSLSessionTickets Off
	Protocols http/1.1
`)
	if b.port == 80 && b.secure == 443 {
		text.WriteString("\tHeader always set Strict-Transport-Security \"max-age=604800\"\n")
	}
	fmt.Fprintf(&text, "\tHeader edit Location \"^http://((?:%s)(?::[0-9]+)?/)\" https://$1\n", b.known())
	return text.String()
}

// redirect leads from plain HTTP to HTTPS, as the visitor wrote it: under the name that
// was asked for where the certificate is for it. What an authority looks for here
// mod_md answers before.
func (b balancer) redirect() string {
	port := ""
	if b.secure != 443 {
		port = fmt.Sprintf(":%d", b.secure)
	}
	return fmt.Sprintf(`	RewriteCond "%%{HTTP_HOST} %%{THE_REQUEST}" "^(%[1]s)(?::[0-9]+)? %[2]s" [NC]
	RewriteRule ^ https://%%1%[3]s%%2 [R=301,NE,UnsafeAllow3F,L]
	RewriteCond %%{THE_REQUEST} "^%[2]s"
	RewriteRule ^ https://%[4]s%[3]s%%1 [R=301,NE,UnsafeAllow3F,L]
	RewriteRule ^ https://%[4]s%[3]s/ [R=301,L]
`, b.known(), asWritten, port, bracketed(b.ServerName))
}

// known matches the names that the certificate is for.
func (b balancer) known() string {
	var list []string
	for _, name := range b.certified {
		list = append(list, regexp.QuoteMeta(bracketed(name)))
	}
	return strings.Join(list, "|")
}
