package profiles

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// noon is when certificates are judged here.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// issued is a certificate with its key.
type issued struct {
	cert *x509.Certificate
	key  any
}

// issue makes a certificate as change has it, signed by another one or by itself.
func issue(t *testing.T, by *issued, change func(*x509.Certificate)) issued {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return issueWith(t, key, &key.PublicKey, by, change)
}

func issueWith(t *testing.T, key, public any, by *issued, change func(*x509.Certificate)) issued {
	t.Helper()
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "balancer.example.net"},
		DNSNames:  []string{"www.example.net", "*.example.org"},
		NotBefore: noon.AddDate(0, -1, 0), NotAfter: noon.AddDate(0, 2, 0), BasicConstraintsValid: true,
	}
	change(form)
	if by == nil {
		by = &issued{form, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, form, by.cert, public, by.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return issued{cert, key}
}

func (i issued) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.cert.Raw}))
}

func (i issued) keyPEM(t *testing.T) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func asIs(*x509.Certificate) {}

// ca makes a certificate one of an authority.
func ca(c *x509.Certificate) {
	c.Subject.CommonName, c.DNSNames, c.IsCA, c.KeyUsage = "An Authority", nil, true, x509.KeyUsageCertSign
}

// withHTTPS is a profile of whose balancer these are names and https.
func withHTTPS(text string) string {
	return `cluster: small
user: {ssh_keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIG81R5MHEWjQVBNMzP0WkvgBsXIGmSJxdkoSYwbW9Bgy]}
nodes:
  - {name: a, role: storage, host: home.example.net}
  - {name: b, role: storage, host: home.example.net}
  - {name: c, role: storage, host: home.example.net}
  - {name: lb, role: balancer, ` + text + "}\n"
}

const pairOfFiles = "https: {certificate_file: cert.pem, key_file: key.pem}"

func TestACertificateThatIsGiven(t *testing.T) {
	t.Chdir(t.TempDir())
	root := issue(t, nil, ca)
	middle := issue(t, &root, ca)
	own := issue(t, &middle, asIs)
	write(t, "cert.pem", "Bag Attributes\n"+own.pem()+middle.pem(), 0o644)
	write(t, "key.pem", own.keyPEM(t), 0o600)
	write(t, "p.yaml", withHTTPS("host: www.example.net, server_aliases: [WWW.example.net, x.example.org], "+pairOfFiles), 0o644)
	c, err := Load("p.yaml", Env{Today: noon})
	if err != nil {
		t.Fatal(err)
	}
	got := c.Nodes[3].HTTPS
	if got == nil || got.Port != 443 || got.ACME != nil || got.Certificate != read(t, "cert.pem") || got.Key.Reveal() != strings.TrimSpace(own.keyPEM(t)) {
		t.Errorf("it is %+v", got)
	}
}

func TestACertificateForAnAddress(t *testing.T) {
	t.Chdir(t.TempDir())
	own := issue(t, nil, func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("203.0.113.7")} })
	write(t, "cert.pem", own.pem(), 0o644)
	write(t, "key.pem", own.keyPEM(t), 0o600)
	write(t, "p.yaml", withHTTPS("host: 203.0.113.7, "+pairOfFiles), 0o644)
	if _, err := Load("p.yaml", Env{Today: noon}); err != nil {
		t.Error(err)
	}
}

// Apache would refuse most of these only when it starts, and browsers the others.
func TestCertificatesThatAreRefused(t *testing.T) {
	root := issue(t, nil, ca)
	own := issue(t, &root, asIs)
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := issueWith(t, short, &short.PublicKey, nil, asIs)
	old := issue(t, &root, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Hour) })
	early := issue(t, &root, func(c *x509.Certificate) { c.NotBefore = noon.AddDate(0, 0, 2) })
	nameless := issue(t, &root, func(c *x509.Certificate) { c.DNSNames = nil })
	for _, tt := range []struct {
		name, node, cert, key string
		want                  string
	}{
		{"of another name", "host: other.example.net", own.pem(), own.keyPEM(t),
			"p.yaml:7:83: nodes[3].https.certificate_file: the certificate is not for other.example.net, only for www.example.net, *.example.org"},
		{"that lacks an alias", "host: www.example.net, server_aliases: [example.org]", own.pem(), own.keyPEM(t),
			"certificate_file: the certificate is not for example.org, only for"},
		{"with a name in its subject alone", "host: balancer.example.net", nameless.pem(), nameless.keyPEM(t),
			"certificate_file: the certificate is not for balancer.example.net\n"},
		{"that has ended", "host: www.example.net", old.pem(), old.keyPEM(t), `certificate_file: the certificate of "balancer.example.net" ended on 2026-11-24`},
		{"that begins later", "host: www.example.net", early.pem(), early.keyPEM(t), `is not valid before 2026-11-26`},
		{"that is weak", "host: www.example.net", weak.pem(), weak.keyPEM(t), `has a key or a signature that is too weak for Apache`},
		{"of an authority", "host: www.example.net", root.pem(), root.keyPEM(t), "the first certificate is that of an authority"},
		{"in the wrong order", "host: www.example.net", root.pem() + own.pem(), root.keyPEM(t), "certificate 1 is not signed with certificate 2"},
		{"with its key in it", "host: www.example.net", own.pem() + own.keyPEM(t), own.keyPEM(t), "certificate_file: cert.pem has a private key in it"},
		{"that is none", "host: www.example.net", "hello", own.keyPEM(t), "certificate_file: part 1 of cert.pem is no certificate in PEM"},
		{"with half a one behind it", "host: www.example.net", own.pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", own.keyPEM(t),
			"certificate_file: part 2 of cert.pem is no certificate in PEM"},
		{"of another key", "host: www.example.net", own.pem(), root.keyPEM(t), "key_file: this key does not belong to the certificate in certificate_file"},
		{"whose key is none", "host: www.example.net", own.pem(), "hello", "key_file: this is no private key in PEM"},
		{"whose key is locked", "host: www.example.net", own.pem(), "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
			"key_file: the key has a passphrase"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			write(t, "cert.pem", tt.cert, 0o644)
			write(t, "key.pem", tt.key, 0o600)
			write(t, "p.yaml", withHTTPS(tt.node+", "+pairOfFiles), 0o644)
			_, err := Load("p.yaml", Env{Today: noon})
			report, ok := err.(Report)
			if !ok || len(report) != 1 || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), strings.Split(own.keyPEM(t), "\n")[1]) {
				t.Error("the report gives the key away")
			}
		})
	}
}

func TestAKeyThatOthersMayReadIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	own := issue(t, nil, asIs)
	write(t, "cert.pem", own.pem(), 0o644)
	write(t, "key.pem", own.keyPEM(t), 0o644)
	write(t, "p.yaml", withHTTPS("host: www.example.net, "+pairOfFiles), 0o644)
	if _, err := Load("p.yaml", Env{Today: noon}); err == nil || !strings.Contains(err.Error(), "key_file: key.pem is open to other users (mode 0644)") {
		t.Errorf("error %v", err)
	}
}
