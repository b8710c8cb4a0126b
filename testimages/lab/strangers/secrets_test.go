//go:build lab

package strangers

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secrets are those of a cluster that a stranger may have got hold of, or believes so.
type secrets struct {
	id string // the cluster's; anybody on the LAN hears it
	ca authority
}

// authority is a CA, the cluster's or another.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// pair is a certificate and its key, and the CA that its owner trusts, as PEM.
type pair struct{ Cert, Key, CA string }

func readSecrets(t *testing.T, dir string) secrets {
	t.Helper()
	id, err := os.ReadFile(filepath.Join(dir, "cluster.id"))
	if err != nil {
		t.Fatal(err)
	}
	both, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	cert, rest := pem.Decode(both)
	key, _ := pem.Decode(rest)
	if cert == nil || key == nil {
		t.Fatalf("%s holds no certificate and key", dir)
	}
	c, err := x509.ParseCertificate(cert.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	k, err := x509.ParsePKCS8PrivateKey(key.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return secrets{strings.TrimSpace(string(id)), authority{c, k.(crypto.Signer)}}
}

// nobody makes CAs that nobody knows.
func nobody(t *testing.T) authority {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "berry CA"}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key}
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// node gives a certificate such as the builder makes for a node, but for edit.
func (a authority) node(t *testing.T, name string, edit func(*x509.Certificate)) pair {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(template)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return a.pair(t, der, key)
}

func (a authority) pair(t *testing.T, der []byte, key crypto.Signer) pair {
	t.Helper()
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return pair{block("CERTIFICATE", der), block("PRIVATE KEY", private), block("CERTIFICATE", a.cert.Raw)}
}
