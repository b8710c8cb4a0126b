// Command internet is what a lab's nodes find on the internet: the names of the DNS, a
// provider of dynamic DNS that speaks dyndns2, and api.ipify.org, which tells who asks it
// the address that it sees.
//
//	internet FOLDER
//
// The lab writes world.json into the folder, which is read anew for every question: it
// can be changed at any time. The names that customers have pointed at themselves are in
// dynamic.json, and ca.pem is whom they have to trust. It listens to ports 53 and 443 of
// the network namespace that it is started in, until it is killed.
package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/google/renameio/v2"
	"github.com/miekg/dns"

	"berries/testimages/lab/cluster"
)

func main() {
	log.SetFlags(log.Ltime | log.Lmicroseconds)
	if len(os.Args) != 2 {
		log.Fatal("internet: want the folder of world.json")
	}
	log.Fatal("internet: ", serve(server{dir: os.Args[1], mu: new(sync.Mutex)}))
}

// server answers from the folder.
type server struct {
	dir string
	mu  *sync.Mutex // holds off others that change dynamic.json
}

func serve(s server) error {
	authority, err := newAuthority()
	if err != nil {
		return err
	}
	failed := make(chan error)
	for _, network := range []string{"udp", "tcp"} {
		go func() {
			failed <- (&dns.Server{Addr: ":53", Net: network, Handler: dns.HandlerFunc(s.answer)}).ListenAndServe()
		}()
	}
	web := &http.Server{
		Addr: ":443", Handler: http.HandlerFunc(s.page), TLSConfig: &tls.Config{GetCertificate: authority.certify},
		ReadHeaderTimeout: time.Minute,
		// Where the provider is down, nobody listens.
		ConnState: s.hangUp,
	}
	go func() { failed <- web.ListenAndServeTLS("", "") }()
	if err := renameio.WriteFile(filepath.Join(s.dir, cluster.AuthorityFile), authority.text, 0o644); err != nil {
		return err
	}
	return <-failed
}

// world is what there is now.
func (s server) world() (w cluster.World) {
	if err := read(filepath.Join(s.dir, cluster.WorldFile), &w); err != nil {
		log.Print(err)
	}
	return w
}

func read(path string, to any) error {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(data, to)
}

// dynamic are the names that customers have pointed somewhere.
func (s server) dynamic() map[string]netip.Addr {
	names := map[string]netip.Addr{}
	if err := read(filepath.Join(s.dir, cluster.DynamicFile), &names); err != nil {
		log.Print(err)
	}
	return names
}

// answer answers a question of the DNS. Nobody has an IPv6 address.
func (s server) answer(w dns.ResponseWriter, asked *dns.Msg) {
	m := new(dns.Msg).SetReply(asked)
	m.Authoritative = true
	m.Rcode = dns.RcodeNameError
	for _, q := range asked.Question {
		name := strings.ToLower(strings.TrimSuffix(q.Name, "."))
		address, found := s.dynamic()[name]
		if !found {
			address, found = s.world().Names[name]
		}
		if !found {
			continue
		}
		m.Rcode = dns.RcodeSuccess
		if q.Qtype == dns.TypeA {
			m.Answer = append(m.Answer, &dns.A{
				Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: cluster.TTL}, A: address.AsSlice(),
			})
		}
	}
	if err := w.WriteMsg(m); err != nil {
		log.Print(err)
	}
}

// page is api.ipify.org, and the provider under every other name.
func (s server) page(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		log.Print(err)
		return
	}
	if r.Host == cluster.AddressPage {
		io.WriteString(w, from.Addr().Unmap().String())
		return
	}
	answer := s.update(r)
	log.Printf("%s asks for %s?hostname=%s&myip=%s: %s", from.Addr(), r.URL.Path, r.URL.Query().Get("hostname"), r.URL.Query().Get("myip"), answer)
	fmt.Fprintln(w, answer)
}

// update does what a customer asks for, and answers as dyndns2 has it
// (https://help.dyn.com/remote-access-api/return-codes/).
func (s server) update(r *http.Request) string {
	login, password, _ := r.BasicAuth()
	host := r.URL.Query().Get("hostname")
	address, err := netip.ParseAddr(r.URL.Query().Get("myip"))
	if err != nil {
		return "dnserr"
	}
	for _, a := range s.world().Accounts {
		switch {
		case a.Login != login:
			continue
		case a.Password != password:
			return "badauth"
		case a.Host != host:
			return "nohost"
		}
		return s.point(host, address)
	}
	return "badauth"
}

func (s server) point(host string, at netip.Addr) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := s.dynamic()
	if names[host] == at {
		return "nochg " + at.String()
	}
	names[host] = at
	data, err := json.Marshal(names)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(s.dir, cluster.DynamicFile), data, 0o644)
	}
	if err != nil {
		log.Print(err)
		return "911"
	}
	return "good " + at.String()
}

// hangUp ends every connection while the provider is down.
func (s server) hangUp(c net.Conn, state http.ConnState) {
	if state == http.StateNew && s.world().Down {
		c.Close()
	}
}

// authority makes certificates for whatever name somebody asks for.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	text []byte // PEM
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "the lab's internet"}, NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}, err
}

// certify implements tls.Config.GetCertificate.
func (a *authority) certify(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if hello.ServerName == "" {
		return nil, errors.New("no name was asked for")
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: hello.ServerName}, DNSNames: []string{hello.ServerName},
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, form, a.cert, a.key.Public(), a.key)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}, err
}
