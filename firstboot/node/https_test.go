package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pair is a certificate with its key.
func pair(t *testing.T) *Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"host.example.net"}}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := func(kind string, data []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: data}))
	}
	return &Pair{Chain: text("CERTIFICATE", cert), Key: text("PRIVATE KEY", der)}
}

func TestABalancerThatSpeaksHTTPS(t *testing.T) {
	for _, s := range []*HTTPS{
		{Port: 443, ACME: &ACME{Email: "me@example.net", Server: "https://acme.example.net:14000/dir"}},
		{Port: 8443, Pair: pair(t)},
	} {
		want := balancer()
		want.Balancer.HTTPS = s
		text, err := Encode(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(text)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
}

func TestHTTPSThatCannotBe(t *testing.T) {
	given, other := pair(t), pair(t)
	tests := []struct {
		name string
		edit func(*Balancing)
		want string
	}{
		{"a port of none", func(b *Balancing) { b.HTTPS.Port = 0 }, "balancer: https: port 0 is not a TCP port"},
		{"the port of plain HTTP", func(b *Balancing) { b.HTTPS.Port = 80 }, "balancer: https: port 80 is also that of plain HTTP"},
		{"two certificates", func(b *Balancing) { b.HTTPS.Pair = given }, "balancer: https: want either acme or pair"},
		{"no certificate", func(b *Balancing) { b.HTTPS.ACME = nil }, "balancer: https: want either acme or pair"},
		{"an address of mail with a line of its own", func(b *Balancing) { b.HTTPS.ACME.Email = "me@example.net\nMDStoreDir /tmp" }, `acme: email "me@example.net\nMDStoreDir /tmp" is no`},
		{"an authority without TLS", func(b *Balancing) { b.HTTPS.ACME.Server = "http://acme.example.net/dir" }, `acme: server "http://acme.example.net/dir" is no URL`},
		{"an authority with a space", func(b *Balancing) { b.HTTPS.ACME.Server = "https://acme.example.net/d r" }, `acme: server "https://acme.example.net/d r" is no URL`},
		{"an authority and another port than 80", func(b *Balancing) { b.Port = 8080 }, "acme: the authority asks at port 80, and the balancer listens at 8080"},
		{"an authority and an address", func(b *Balancing) { b.Aliases[0] = "192.0.2.1" }, "acme: 192.0.2.1 is an address"},
		{"a key of another certificate", func(b *Balancing) { b.HTTPS.ACME, b.HTTPS.Pair = nil, &Pair{given.Chain, other.Key} }, "pair: tls: private key does not match"},
		{"a certificate of another site", func(b *Balancing) { b.ServerName, b.HTTPS.ACME, b.HTTPS.Pair = "other.example.net", nil, given }, "pair: x509: certificate is valid for host.example.net, not other.example.net"},
		{"no key", func(b *Balancing) { b.HTTPS.ACME, b.HTTPS.Pair = nil, &Pair{Chain: given.Chain} }, "pair: tls: failed to find any PEM data in key input"},
	}
	for _, tt := range tests {
		f := balancer()
		f.Balancer.HTTPS = &HTTPS{Port: 443, ACME: &ACME{Email: "me@example.net", Server: "https://acme.example.net/dir"}}
		tt.edit(f.Balancer)
		_, err := Encode(f)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), strings.Split(given.Key, "\n")[1]) {
			t.Errorf("%s: the error gives the key away", tt.name)
		}
	}
}
