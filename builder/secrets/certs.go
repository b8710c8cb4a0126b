package secrets

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"berries/firstboot/node"
)

// Pair is a certificate and its private key, each as PEM.
type Pair struct {
	Cert []byte
	Key  []byte // PKCS #8
}

// The files of the pairs, certificate first and key behind it in one file: so a
// pair is whole or not there. Those of the cluster have a dot, which no node's
// name has.
const (
	caFile       = "ca.pem"
	operatorFile = "operator.pem"
	nodeFile     = "tls.pem" // in the node's folder
)

// The validity of every certificate. A Pi's clock may stand at 1970 until it has
// a network, and GlusterFS judges by that clock. There is no later date at which
// a cluster at home should stop to work; this one means "no expiration" (RFC 5280,
// 4.1.2.5).
var (
	notBefore = time.Unix(0, 0).UTC()
	notAfter  = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// CA returns the certificate of the cluster's CA as PEM, making the CA where there
// is none. Its key stays in the folder.
func (f Folder) CA() ([]byte, error) {
	ca, err := f.authority()
	return ca.Cert, err
}

// NodeCert returns the certificate of a node, which is client and server of that
// name, and its key. They are made where there are none.
func (f Folder) NodeCert(name string) (Pair, error) {
	if err := os.MkdirAll(filepath.Join(f.dir, name), 0o700); err != nil {
		return Pair{}, fmt.Errorf("cannot make the secrets folder of %s: %w", name, err)
	}
	return f.leaf(filepath.Join(name, nodeFile), x509.Certificate{
		Subject:     pkix.Name{CommonName: name},
		DNSNames:    []string{name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
}

// OperatorCert returns the certificate by which nodes know the person who runs the
// cluster, and its key. They are made where there are none.
func (f Folder) OperatorCert() (Pair, error) {
	return f.leaf(operatorFile, x509.Certificate{
		Subject:     pkix.Name{CommonName: node.OperatorName},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// authority reads the CA's pair, or mints it.
func (f Folder) authority() (Pair, error) {
	path := filepath.Join(f.dir, caFile)
	ca, _, err := pair(path, func() ([]byte, error) {
		template := &x509.Certificate{
			Subject:               pkix.Name{CommonName: "berry CA"},
			IsCA:                  true,
			BasicConstraintsValid: true,
			MaxPathLenZero:        true,
			KeyUsage:              x509.KeyUsageCertSign,
		}
		return issue(template, nil, nil)
	})
	if err != nil {
		return Pair{}, fmt.Errorf("cannot get the cluster's CA: %w", err)
	}
	return ca, nil
}

// leaf reads a pair that the CA signed, or mints it.
func (f Folder) leaf(name string, template x509.Certificate) (Pair, error) {
	ca, err := f.authority()
	if err != nil {
		return Pair{}, err
	}
	signer, err := ca.parse()
	if err != nil {
		return Pair{}, fmt.Errorf("cannot get the cluster's CA: %w", err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	path := filepath.Join(f.dir, name)
	p, cert, err := pair(path, func() ([]byte, error) { return issue(&template, signer.cert, signer.key) })
	if err == nil && cert.CheckSignatureFrom(signer.cert) != nil {
		err = fmt.Errorf("%s was signed by another CA than %s; a rotation was interrupted, or only a part of a backup came back: type berry secrets rotate PROFILE --all",
			path, filepath.Join(f.dir, caFile))
	}
	if err != nil {
		return Pair{}, fmt.Errorf("cannot get the certificate of %s: %w", template.Subject.CommonName, err)
	}
	return p, nil
}

// pair reads a pair from its file, which is made where it is missing.
func pair(path string, mint func() ([]byte, error)) (Pair, *x509.Certificate, error) {
	data, err := create(path, mint)
	if err != nil {
		return Pair{}, nil, err
	}
	cert, rest := pem.Decode(data)
	key, _ := pem.Decode(rest)
	if cert == nil || key == nil {
		return Pair{}, nil, fmt.Errorf("%s is damaged; restore it from a backup: it does not hold a certificate and a key", path)
	}
	p := Pair{pem.EncodeToMemory(cert), pem.EncodeToMemory(key)}
	both, err := p.parse()
	if err != nil {
		return Pair{}, nil, fmt.Errorf("%s is damaged; restore it from a backup: %w", path, err)
	}
	return p, both.cert, nil
}

// parsed is a Pair as values.
type parsed struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// parse reads both halves and holds them against each other.
func (p Pair) parse() (parsed, error) {
	certBlock, _ := pem.Decode(p.Cert)
	keyBlock, _ := pem.Decode(p.Key)
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return parsed{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return parsed{}, err
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || !ec.PublicKey.Equal(cert.PublicKey) {
		return parsed{}, errors.New("its key is not the certificate's")
	}
	return parsed{cert, ec}, nil
}

// issue mints a key and has its certificate signed by the parent, or by itself
// where there is none. The result is what a pair's file holds.
func issue(template, parent *x509.Certificate, signer crypto.Signer) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if parent == nil {
		parent, signer = template, key
	}
	template.NotBefore, template.NotAfter = notBefore, notAfter
	cert, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...), nil
}
