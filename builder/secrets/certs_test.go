package secrets

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// laid writes what a node would be given into a folder of its own.
func laid(t *testing.T, ca []byte, p Pair) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range map[string][]byte{"ca": ca, "cert": p.Cert, "key": p.Key} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// OpenSSL, which GlusterFS judges with, takes the certificates for what they are,
// at any date that a Pi's clock may show.
func TestOpenSSLTakesTheCertificates(t *testing.T) {
	f, _ := open(t)
	ca := must[[]byte](t)(f.CA())
	node := laid(t, ca, must[Pair](t)(f.NodeCert("cluster01")))
	for _, date := range []string{"0", "1700000000", "4000000000"} {
		for _, purpose := range []string{"sslclient", "sslserver"} {
			openssl(t, node, "verify", "-CAfile", "ca", "-x509_strict", "-attime", date, "-purpose", purpose, "-verify_hostname", "cluster01", "cert")
		}
	}
	if got, want := openssl(t, node, "x509", "-in", "cert", "-noout", "-subject", "-nameopt", "RFC2253"), "subject=CN=cluster01\n"; got != want {
		t.Errorf("the subject is %q, want %q", got, want)
	}
	if cert, key := openssl(t, node, "x509", "-in", "cert", "-noout", "-pubkey"), openssl(t, node, "pkey", "-in", "key", "-pubout"); cert != key {
		t.Errorf("the key is not the certificate's:\n%s%s", cert, key)
	}
	operator := laid(t, ca, must[Pair](t)(f.OperatorCert()))
	openssl(t, operator, "verify", "-CAfile", "ca", "-purpose", "sslclient", "cert")
	if err := exec.Command("openssl", "verify", "-CAfile", filepath.Join(operator, "ca"), "-purpose", "sslserver", filepath.Join(operator, "cert")).Run(); err == nil {
		t.Error("the operator's certificate passes for a server's")
	}
}

func TestNoKeyOfTheCALeavesTheFolder(t *testing.T) {
	f, _ := open(t)
	block, rest := pem.Decode(must[[]byte](t)(f.CA()))
	if block.Type != "CERTIFICATE" || len(rest) != 0 {
		t.Errorf("a %s and %q behind it, want one certificate", block.Type, rest)
	}
}

// everything is all that a build asks for, by name.
func everything(t *testing.T, f Folder) map[string]string {
	t.Helper()
	all := map[string]string{"ca": string(must[[]byte](t)(f.CA())), "id": must[string](t)(f.ClusterID())}
	operator := must[Pair](t)(f.OperatorCert())
	all["operator"] = string(operator.Cert) + string(operator.Key)
	for _, node := range []string{"cluster01", "cluster02"} {
		p := must[Pair](t)(f.NodeCert(node))
		all[node] = string(p.Cert) + string(p.Key)
		all["uuid of "+node] = must[string](t)(f.GlusterUUID(node))
		all["tunnel of "+node] = must[TunnelKey](t)(f.TunnelKey(node)).Private
		geo := must[GeoRepKeys](t)(f.GeoRepKeys(node))
		all["geo-replication of "+node] = string(geo.Session.Private) + geo.Session.Line()
		all["files of "+node] = string(geo.Tar.Private) + geo.Tar.Line()
	}
	return all
}

func TestEverythingIsMadeOnceAndNothingIsShared(t *testing.T) {
	f, dir := open(t)
	first := everything(t, f)
	again := must[Folder](t)(Open(dir))
	by := map[string]string{}
	for name, is := range everything(t, again) {
		if is != first[name] {
			t.Errorf("%s: the second build got another", name)
		}
		if other := by[is]; other != "" {
			t.Errorf("%s and %s are the same", name, other)
		}
		by[is] = name
	}
}

func TestTwoBuildsAtOnceGetTheSameCertificates(t *testing.T) {
	f, _ := open(t)
	var got [8]Pair
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], _ = f.NodeCert("cluster01") })
	}
	wg.Wait()
	for i := range got {
		if got[i].Cert == nil || !bytes.Equal(got[i].Cert, got[0].Cert) || !bytes.Equal(got[i].Key, got[0].Key) {
			t.Fatalf("build %d got another certificate than build 0", i)
		}
	}
}

func TestDamagedSecretsAreErrorsAndStay(t *testing.T) {
	ask := map[string]func(Folder) error{
		"ca.pem":                 func(f Folder) error { _, err := f.CA(); return err },
		"operator.pem":           func(f Folder) error { _, err := f.OperatorCert(); return err },
		"cluster.id":             func(f Folder) error { _, err := f.ClusterID(); return err },
		"cluster01/tls.pem":      func(f Folder) error { _, err := f.NodeCert("cluster01"); return err },
		"cluster01/gluster.uuid": func(f Folder) error { _, err := f.GlusterUUID("cluster01"); return err },
	}
	for name, get := range ask {
		f, dir := open(t)
		everything(t, f)
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, damaged := range [][]byte{nil, whole[:len(whole)/2], bytes.Replace(whole, []byte("\n"), []byte("\nA"), 1)} {
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := get(f); err == nil || !strings.Contains(err.Error(), path+" is damaged; restore it from a backup") {
				t.Errorf("%s with %d of %d bytes: %v", name, len(damaged), len(whole), err)
			}
			if is, err := os.ReadFile(path); err != nil || !bytes.Equal(is, damaged) {
				t.Errorf("%s was touched: %v", name, err)
			}
		}
	}
}

func TestAKeyOfAnotherNodeIsADamagedPair(t *testing.T) {
	f, dir := open(t)
	one, two := must[Pair](t)(f.NodeCert("cluster01")), must[Pair](t)(f.NodeCert("cluster02"))
	mixed := append(bytes.Clone(one.Cert), two.Key...)
	if err := os.WriteFile(filepath.Join(dir, "cluster01", "tls.pem"), mixed, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.NodeCert("cluster01"); err == nil || !strings.Contains(err.Error(), "its key is not the certificate's") {
		t.Errorf("got %v", err)
	}
}

// signedBy tells whether the CA signed the certificate.
func signedBy(t *testing.T, ca []byte, p Pair) bool {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	block, _ := pem.Decode(p.Cert)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	_, err = cert.Verify(x509.VerifyOptions{Roots: roots})
	return err == nil
}
