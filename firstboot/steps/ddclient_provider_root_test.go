//go:build root && linux

package steps

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// dnsServer is the name of the provider in the test's network.
const dnsServer = "dyndns.example.org"

// provider is a server of dyndns2 with one account, and a page that tells whoever asks
// the address that it sees.
type provider struct {
	mu       sync.Mutex
	address  string // that the page tells
	held     string // that the name has
	password string // that is wanted
	status   int    // of every answer to an update, when set
	answer   string
	updates  int
	wrong    error // what no update may be like
	server   *http.Server
	cert     tls.Certificate
}

// do changes the provider.
func (p *provider) do(change func()) func() error {
	return func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		change()
		return nil
	}
}

func (p *provider) wants(password string) func() error {
	return p.do(func() { p.password = password })
}
func (p *provider) moves(address string) func() error { return p.do(func() { p.address = address }) }
func (p *provider) answers(status int, answer string) func() error {
	return p.do(func() { p.status, p.answer = status, answer })
}
func (p *provider) gives() error { return p.answers(0, "")() }

func (p *provider) has(address string) func() error {
	return func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		return differs("the name's address", address, p.held)
	}
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.updates
}

func (p *provider) fault() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.wrong
}

func (p *provider) page(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	io.WriteString(w, p.address)
}

// update answers as the rules of dyndns2 have it.
func (p *provider) update(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates++
	f := dynamicNode().DDNS
	login, password, _ := r.BasicAuth()
	query := r.URL.Query()
	p.wrong = errors.Join(p.wrong, seenByOthers(password), differs("path", "/nic/update", r.URL.Path), differs("login", f.Login, login),
		differs("password", f.Password, password), differs("host", f.Host, query.Get("hostname")), differs("address", p.address, query.Get("myip")))
	switch {
	case p.status != 0:
		w.WriteHeader(p.status)
		io.WriteString(w, p.answer)
	case password != p.password:
		io.WriteString(w, "badauth\n")
	case p.held == query.Get("myip"):
		io.WriteString(w, "nochg "+p.held+"\n")
	default:
		p.held = query.Get("myip")
		io.WriteString(w, "good "+p.held+"\n")
	}
}

// seenByOthers looks for the password in what every process shows everybody.
func seenByOthers(password string) error {
	names, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(names) == 0 {
		return fmt.Errorf("no processes: %w", err)
	}
	for _, name := range names {
		line, _ := os.ReadFile(name)
		for _, form := range []string{password, base64.StdEncoding.EncodeToString([]byte(dynamicNode().DDNS.Login + ":" + password))} {
			if bytes.Contains(line, []byte(form)) {
				return fmt.Errorf("everybody can see the password in %q", line)
			}
		}
	}
	return nil
}

func (p *provider) up() (err error) {
	p.server, err = serveTLS("127.0.0.2:443", p.cert, p.update)
	return err
}

func (p *provider) down() error { return p.server.Close() }

func tells(address string, page http.HandlerFunc) func() error {
	return func() error {
		_, err := serveTLS(address, dyn.cert, page)
		return err
	}
}

func serveTLS(address string, cert tls.Certificate, do http.HandlerFunc) (*http.Server, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: do}
	go s.Serve(tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{cert}}))
	return s, nil
}

// trusted gives the provider and the page a certificate, and has this machine trust it
// alone.
func (p *provider) trusted() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{dnsServer, "api.ipify.org"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return err
	}
	p.cert = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return errors.Join(os.WriteFile("/etc/ssl/certs/ca-certificates.crt", text, 0o644), os.WriteFile("/etc/ssl/certs/test.pem", text, 0o644),
		sh("openssl rehash /etc/ssl/certs")())
}
