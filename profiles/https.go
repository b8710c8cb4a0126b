package profiles

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	httpsPort = 443
	// letsEncrypt is the directory of the authority that most people use.
	letsEncrypt = "https://acme-v02.api.letsencrypt.org/directory"
)

// What Apache takes without quotes.
var (
	email         = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@([A-Za-z0-9.-]+)$`)
	acmeDirectory = regexp.MustCompile(`^https://([A-Za-z0-9.-]+)(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*$`)
)

// readHTTPS reads how a balancer serves the site over TLS, once its names and ports
// have been read.
func (n *Node) readHTTPS(node *mapping) {
	m := node.below("https", "https")
	if m == nil {
		return
	}
	s := &HTTPS{Port: m.port("port", httpsPort)}
	switch {
	case s.Port == n.SSHPort:
		m.refuse("port", portOfSSH("port", s.Port))
	case s.Port == n.WebPort:
		m.refuse("port", portOfHTTP(s.Port))
	}
	for _, key := range []string{"certificate_file", "key_file"} {
		if m.has("acme") && m.has(key) {
			m.refuse(key, givenTwice("acme", key))
			return
		}
	}
	switch {
	case m.has("acme"):
		s.ACME = n.readACME(node, m)
	case m.has("certificate_file") || m.has("key_file"):
		n.readPair(node, m, s)
	default:
		node.refuse("https", noCertificate)
	}
	n.HTTPS = s
}

// readACME reads the authority that gives the certificates. It wants to see the site
// under its names, at port 80.
func (n *Node) readACME(node, https *mapping) *ACME {
	m := https.below("acme", "acme")
	if m == nil {
		return nil
	}
	a := &ACME{Email: m.need("email", "me@example.net"), Server: m.text("server", letsEncrypt)}
	if parts := email.FindStringSubmatch(a.Email); parts == nil || domainProblem(parts[1]).exists() {
		m.refuse("email", badEmail)
	}
	if parts := acmeDirectory.FindStringSubmatch(a.Server); parts == nil || hostProblem(parts[1]).exists() {
		m.refuse("server", badDirectory)
	}
	if _, err := netip.ParseAddr(n.ServerName); err == nil {
		https.refuse("acme", acmeForAddress(n.ServerName))
	}
	if n.WebPort != balancerPort && !node.wrong("web_port") {
		node.refuse("web_port", acmeElsewhere(n.WebPort))
	}
	return a
}

// readPair reads a certificate that was given, and its key.
func (n *Node) readPair(node, m *mapping, s *HTTPS) {
	var chain []*x509.Certificate
	if path := m.need("certificate_file", "certificate.pem"); path != "" {
		var p problem
		if s.Certificate, chain, p = m.in.chainFile(path); !p.exists() && !node.wrong("host", "server_name", "server_aliases") {
			p = chainProblem(chain, append([]string{n.ServerName}, n.ServerAliases...), m.in.env.now())
		}
		m.refuse("certificate_file", p)
	}
	if !m.has("key_file") {
		m.refuse("key_file", missing("key_file", "key.pem"))
	}
	s.Key = m.secret("key", func(key string) problem {
		if m.wrong("certificate_file") {
			return problem{}
		}
		return keyFileProblem(s.Certificate, key)
	})
}

// chainFile reads a file of certificates, the site's own first.
func (in *reading) chainFile(path string) (text string, chain []*x509.Certificate, p problem) {
	path, p = in.locate(path, in.dir)
	if p.exists() {
		return "", nil, p
	}
	text, _, p = contents(path, "write the path of the certificate that you were given, with those of its authority behind it")
	if p.exists() {
		return "", nil, p
	}
	if isPrivateKey(text) {
		return "", nil, keyInTheOpen(path)
	}
	for block, rest := pem.Decode([]byte(text)); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			return "", nil, notACertificate(path, len(chain)+1)
		}
		chain = append(chain, cert)
	}
	if chain == nil {
		return "", nil, notACertificate(path, 1)
	}
	return text, chain, problem{}
}

// chainProblem judges certificates as browsers will, and as Apache does when it
// starts. Whether they trust the authority is not known here.
func chainProblem(chain []*x509.Certificate, names []string, now time.Time) problem {
	own := chain[0]
	for i, signed := range chain[:len(chain)-1] {
		if signed.CheckSignatureFrom(chain[i+1]) != nil {
			return brokenChain(i + 1)
		}
	}
	for _, c := range chain {
		switch {
		case now.After(c.NotAfter):
			return certificateEnded(c.Subject.CommonName, c.NotAfter)
		case now.Before(c.NotBefore):
			return certificateBegins(c.Subject.CommonName, c.NotBefore)
		case weak(c):
			return weakCertificate(c.Subject.CommonName)
		}
	}
	if own.IsCA && len(own.DNSNames)+len(own.IPAddresses) == 0 {
		return authorityFirst
	}
	for _, name := range names {
		if own.VerifyHostname(name) != nil {
			return otherNames(name, namesOf(own))
		}
	}
	return problem{}
}

// weak tells of keys and signatures that OpenSSL refuses, as Debian has it.
func weak(c *x509.Certificate) bool {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if key.N.BitLen() < 2048 {
			return true
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return true
	}
	if bytes.Equal(c.RawSubject, c.RawIssuer) {
		return false // its own signature proves nothing
	}
	old := []x509.SignatureAlgorithm{x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.DSAWithSHA1, x509.DSAWithSHA256}
	return slices.Contains(old, c.SignatureAlgorithm)
}

// namesOf are the names that a certificate is for.
func namesOf(c *x509.Certificate) []string {
	names := slices.Clone(c.DNSNames)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// keyFileProblem judges the key of a certificate. It repeats nothing of it.
func keyFileProblem(chain, key string) problem {
	block, _ := pem.Decode([]byte(key))
	switch {
	case block == nil || !strings.HasSuffix(block.Type, "PRIVATE KEY"):
		return notAKey
	case strings.HasPrefix(block.Type, "ENCRYPTED") || block.Headers["DEK-Info"] != "":
		return lockedKey
	}
	if _, err := tls.X509KeyPair([]byte(chain), []byte(key)); err != nil {
		return otherKey
	}
	return problem{}
}
