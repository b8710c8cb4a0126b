//go:build root && linux

package steps

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/status"
)

// pebble is the authority that Let's Encrypt's authors test clients against.
const pebble = "github.com/letsencrypt/pebble/v2/cmd/pebble@v2.10.3"

// pebbleAt names the variable with the path of that program.
const pebbleAt = "STEPS_TEST_PEBBLE"

// TestRealHTTPS has the steps serve a site over HTTPS with a real Apache: with
// certificates that it is given, and with those that it gets from a real authority,
// which is down, refuses, gives and renews.
func TestRealHTTPS(t *testing.T) {
	dir := t.TempDir()
	install := exec.CommandContext(t.Context(), "go", "install", pebble)
	install.Env = append(os.Environ(), "GOBIN="+dir, "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	install.Dir = dir // outside this module
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("go install %s: %v\n%s", pebble, err, out)
	}
	inNamespaces(t, "https", pebbleAt+"="+filepath.Join(dir, "pebble"))
}

// own is the authority of certificates that are given.
var own struct {
	cert  *x509.Certificate
	key   *ecdsa.PrivateKey
	count int64
}

// minted is a certificate for the names, and its key.
func minted(names ...string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	own.count++
	form := &x509.Certificate{
		SerialNumber: big.NewInt(own.count), Subject: pkix.Name{CommonName: fmt.Sprint("test ", own.count)}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: len(names) == 0, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	signer, by := own.cert, own.key
	if signer == nil {
		signer, by = form, key
	}
	der, err := x509.CreateCertificate(rand.Reader, form, signer, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

func certPEM(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

func keyPEM(key *ecdsa.PrivateKey) string {
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// given is the node file of a balancer that was given a new certificate; trusted are
// the authorities that visitors trust.
var (
	given   node.File
	trusted = x509.NewCertPool()
)

func isGiven() error {
	cert, key, err := minted("host.example.net", "www.host.example.net")
	if err != nil {
		return err
	}
	given = balancing(false)
	given.Balancer.HTTPS = &node.HTTPS{Port: 443, Pair: &node.Pair{Chain: certPEM(cert) + certPEM(own.cert), Key: keyPEM(key)}}
	return nil
}

// served is the certificate with which the site is served, by its name.
func served(name string) (*x509.Certificate, error) {
	from, _ := net.ResolveTCPAddr("tcp", visitorAt)
	c, err := tls.DialWithDialer(&net.Dialer{LocalAddr: from, Timeout: 5 * time.Second}, "tcp", "192.0.2.1:443",
		&tls.Config{RootCAs: trusted, ServerName: name})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0], nil
}

// secure is a visitor of the site by HTTPS.
func secure() *http.Client {
	client := visitor(true)
	transport := client.Transport.(*http.Transport)
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, "192.0.2.1:443")
	}
	transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
	return client
}

// servesHTTPS wants the members to take turns behind HTTPS.
func servesHTTPS() error {
	client, turns := secure(), map[string]int{}
	const odd = "/what%3Fever%20it.txt?x=%2520y&z"
	for range 8 {
		res, err := client.Get("https://www.host.example.net" + odd)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		name, _, _ := strings.Cut(string(body), " ")
		turns[name]++
		if err := errors.Join(err, differs("an answer", "HTTP/1.1 200 Apache max-age=604800",
			fmt.Sprint(res.Proto, " ", res.StatusCode, " ", res.Header.Get("Server"), " ", res.Header.Get("Strict-Transport-Security")))); err != nil {
			return err
		}
	}
	for _, m := range four {
		if _, ok := m.got.Load(odd); !ok {
			return fmt.Errorf("%s was not asked for %s", m.name, odd)
		}
	}
	return differs("turns", map[string]int{"cluster01": 2, "cluster02": 2, "cluster03": 2, "cluster04": 2}, turns)
}

// tlsIs wants only present versions of TLS to be spoken.
func tlsIs() error {
	from, _ := net.ResolveTCPAddr("tcp", visitorAt)
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		c, err := tls.DialWithDialer(&net.Dialer{LocalAddr: from, Timeout: 5 * time.Second}, "tcp", "192.0.2.1:443",
			&tls.Config{RootCAs: trusted, ServerName: "host.example.net", MinVersion: version, MaxVersion: version})
		if err == nil {
			c.Close()
		}
		if (err == nil) != want {
			return fmt.Errorf("%s: %w", tls.VersionName(version), err)
		}
	}
	return nil
}

// leadsTo wants requests over plain HTTP to be led to HTTPS: "host path" to a location.
func leadsTo(want map[string]string) func() error {
	return func() error {
		for asked, location := range want {
			host, path, _ := strings.Cut(asked, " ")
			said, err := saidTo("GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n")
			if err != nil {
				return err
			}
			if !strings.HasPrefix(said, "HTTP/1.1 301 ") || !strings.Contains(said, "\r\nLocation: "+location+"\r\n") {
				return fmt.Errorf("%s: %.300s; want it at %s", asked, said, location)
			}
		}
		return nil
	}
}

// plainly wants the site over plain HTTP, and nobody at the port of HTTPS.
func plainly() error {
	c, err := net.DialTimeout("tcp", "192.0.2.1:443", time.Second)
	if err == nil {
		c.Close()
		return errors.New("somebody listens at 443")
	}
	return share(soon, everyone...)()
}

// certificateEnds wants the step to end like this, with such words.
func certificateEnds(f func() node.File, want status.State, words ...string) func() error {
	return func() error {
		got := walkReally(&ctl{}, f(), Certificate{})
		for _, w := range words {
			if !strings.Contains(got.Error, w) {
				return fmt.Errorf("it ended %+v, want %q", got, w)
			}
		}
		if got.Error != "" {
			fmt.Println("  it says:", got.Error)
		}
		return differs("the step ended", want, got.State)
	}
}

// byItself walks the step as Watch does, until the site is served with a certificate
// that is right.
func byItself(f func() node.File, name string, right func(*x509.Certificate) bool) func() error {
	return func() error {
		began := time.Now()
		for time.Since(began) < 2*time.Minute {
			walkReally(&ctl{}, f(), Certificate{})
			cert, err := served(name)
			if err == nil && right(cert) {
				fmt.Printf("  after %v: %s until %s\n", time.Since(began).Round(100*time.Millisecond), cert.DNSNames, cert.NotAfter.Format(time.TimeOnly))
				return nil
			}
			time.Sleep(500 * time.Millisecond)
		}
		_, err := served(name)
		return fmt.Errorf("after two minutes: %w; the step ends %+v", err, walkReally(&ctl{}, f(), Certificate{}))
	}
}

// whileVisited has visitors come by HTTPS meanwhile, some over connections that they
// keep, and wants all of them to be served.
func whileVisited(do func() error) func() error {
	return func() error {
		ctx, end := context.WithCancel(context.Background())
		var all sync.WaitGroup
		var asked, failed atomic.Int64
		for v := range visitors {
			all.Go(func() {
				client := secure()
				client.Transport.(*http.Transport).DisableKeepAlives = v%2 == 0
				for ctx.Err() == nil {
					res, err := client.Get(fmt.Sprintf("https://host.example.net/file-%d", asked.Add(1)))
					if err == nil {
						_, err = io.Copy(io.Discard, res.Body)
						res.Body.Close()
					}
					if err != nil || res.StatusCode != http.StatusOK {
						failed.Add(1)
						fmt.Println("  failed:", err)
					}
					time.Sleep(20 * time.Millisecond)
				}
			})
		}
		err := do()
		end()
		all.Wait()
		fmt.Printf("  of %d requests %d failed\n", asked.Load(), failed.Load())
		return errors.Join(err, differs("failed requests", int64(0), failed.Load()))
	}
}

// fromCA is the node file of a balancer that has an authority give certificates.
func fromCA() node.File {
	f := balancing(false)
	f.Balancer.HTTPS = &node.HTTPS{Port: 443, ACME: &node.ACME{Email: "me@example.net", Server: "https://acme.example.net:14000/dir"}}
	return f
}

// oneMore is that with one name more.
func oneMore() node.File {
	f := fromCA()
	f.Balancer.Aliases = append(f.Balancer.Aliases, "more.example.net")
	return f
}

// lives is for how many seconds the authority's certificates are valid. Apache renews
// them when a third of that is left.
const lives = 60

// authority starts pebble, and has visitors trust what it signs.
func authority() error {
	cert, key, err := minted("acme.example.net")
	if err != nil {
		return err
	}
	config := fmt.Sprintf(`{"pebble": {"listenAddress": "0.0.0.0:14000", "managementListenAddress": "127.0.0.1:15000",
		"certificate": "/run/ca.pem", "privateKey": "/run/ca.key", "httpPort": 80, "tlsPort": 443,
		"profiles": {"default": {"description": "short-lived", "validityPeriod": %d}}}}`, lives)
	if err := errors.Join(os.WriteFile("/run/ca.pem", []byte(certPEM(cert)), 0o644), os.WriteFile("/run/ca.key", []byte(keyPEM(key)), 0o600),
		os.WriteFile("/run/ca.json", []byte(config), 0o644),
		sh(`PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 "$`+pebbleAt+`" -config /run/ca.json -dnsserver 127.0.0.53:53 >/run/ca.log 2>&1 &
			for i in $(seq 100); do curl -skf https://127.0.0.1:15000/roots/0 -o /run/root.pem && exit; sleep 0.1; done; cat /run/ca.log; exit 1`)()); err != nil {
		return err
	}
	root, err := os.ReadFile("/run/root.pem")
	if err == nil && !trusted.AppendCertsFromPEM(root) {
		err = errors.New("the authority has no root")
	}
	return err
}

// namesLead has all names in example.net lead to an address, for the authority.
func namesLead(address string) func() error {
	return sh(`test ! -e /run/dns.pid || kill $(cat /run/dns.pid); sleep 0.2
		dnsmasq --conf-file=/dev/null --no-resolv --no-hosts --listen-address=127.0.0.53 --bind-interfaces \
			--address=/example.net/` + address + ` --pid-file=/run/dns.pid --user=root`)
}

// anything is right with a certificate that visitors trust.
func anything(*x509.Certificate) bool { return true }

// newer wants a certificate that was not served before.
func newer() func(*x509.Certificate) bool {
	var first *big.Int
	return func(c *x509.Certificate) bool {
		if first == nil {
			first = c.SerialNumber
		}
		return c.SerialNumber.Cmp(first) != 0
	}
}

// ownSettings are an owner's: mod_md looks, and tries again, sooner than anybody wants
// to wait for here. What the authority proposes for renewals is for certificates that
// live longer than a day.
const ownSettings = `printf '<IfModule md_module>\nMDRetryDelay 3s\nMDCheckInterval 2s\nMDRenewViaARI off\n</IfModule>\n' > /etc/apache2/conf-enabled/own.conf`

var toHTTPS = map[string]string{
	"www.host.example.net /what%3Fever%20it.txt?x=%2520y&z": "https://www.host.example.net/what%3Fever%20it.txt?x=%2520y&z",
	"HOST.example.net:80 /":                                 "https://HOST.example.net/",
	"host.example.net http://host.example.net/a/b":          "https://host.example.net/a/b",
	"evil.example //evil.example/x":                         "https://host.example.net//evil.example/x",
	"192.0.2.1 /health":                                     "https://host.example.net/health",
	"host.example.net " + balancerURL:                       "https://host.example.net" + balancerURL,
	"host.example.net /balancer-manager":                    "https://host.example.net/balancer-manager",
	"host.example.net.evil.example /":                       "https://host.example.net/",
}

var httpsScenario = []scene{
	{"the namespaces are furnished", all(sh(`
		kept=$(mktemp -d); cp -a /etc/apache2/. $kept
		mount -t tmpfs -o mode=755 t /etc/apache2; cp -a $kept/. /etc/apache2; rm -r $kept
		for dir in `+unitDir+` /run /var/log/apache2 /var/lib/apache2 /etc/ssl/certs; do mount -t tmpfs -o mode=755 t $dir; done
		mkdir -p /run/lock /etc/berry; mount -t tmpfs -o mode=755 t /etc/berry; mkdir -m 700 /etc/berry/tls
		printf '127.0.0.5 far.example.net\n192.0.2.3 acme.example.net\n' > /run/hosts; mount --bind /run/hosts /etc/hosts
		ip link set lo up; for i in 1 2 3; do ip addr add 192.0.2.$i/32 dev lo; done
		`+ownSettings), func() (err error) {
		if own.cert, own.key, err = minted(); err != nil {
			return err
		}
		trusted.AddCert(own.cert)
		return os.WriteFile("/etc/ssl/certs/ca-certificates.crt", []byte(certPEM(own.cert)), 0o644)
	})},
	{"four nodes serve", each(four, (*member).up)},
	{"Apache is given a certificate", all(isGiven, func() error {
		return balancerEnds(given, status.Done, "enable", "restart")()
	})},
	{"the step holds", func() error { return balancerEnds(given, status.AlreadyDone)() }},
	{"Apache likes its configuration", func() error {
		out, err := exec.Command("apache2ctl", "configtest").CombinedOutput()
		return errors.Join(err, differs("apache2ctl configtest", "Syntax OK\n", string(out)))
	}},
	{"only root reads the key", func() error {
		info, err := os.Stat(pairPath)
		if err != nil {
			return err
		}
		found, _ := exec.Command("grep", "-rlE", "PRIVATE KEY", "/etc/apache2", "/run").Output()
		return errors.Join(differs("mode", os.FileMode(0o600), info.Mode()), differs("keys elsewhere", "", string(found)))
	}},
	{"the members take turns behind HTTPS", servesHTTPS},
	{"old versions of TLS are refused", tlsIs},
	{"plain HTTP leads to HTTPS, and nowhere else", leadsTo(toHTTPS)},
	{"it forwards to nobody there, either", func() error {
		said, err := saidTo("CONNECT 127.0.0.9:8099 HTTP/1.1\r\nHost: 127.0.0.9:8099\r\nConnection: close\r\n\r\n")
		if !strings.HasPrefix(said, "HTTP/1.1 405 ") {
			return fmt.Errorf("CONNECT: %.99s", said)
		}
		return err
	}},
	{"what leads a visitor elsewhere within the site stays with HTTPS", func() error {
		res, err := secure().Get("https://host.example.net/folder")
		if err != nil {
			return err
		}
		res.Body.Close()
		return differs("location", "https://host.example.net/folder/", res.Header.Get("Location"))
	}},
	{"the page that changes the balancer is for this machine", func() error {
		res, err := secure().Get("https://host.example.net/balancer-manager")
		if err != nil {
			return err
		}
		res.Body.Close()
		return errors.Join(differs("status", http.StatusForbidden, res.StatusCode),
			sh("curl -skf https://127.0.0.1/balancer-manager | grep -q far.example.net")())
	}},
	{"what one breaks off is asked of another one", all(begins(first, breaks), func() error {
		client := secure()
		for i := range 8 {
			res, err := client.Get(fmt.Sprintf("https://host.example.net/again-%d", i))
			if err != nil {
				return err
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if !strings.HasSuffix(string(body), fmt.Sprintf(" /again-%d", i)) {
				return fmt.Errorf("%d %s", res.StatusCode, body)
			}
		}
		return nil
	}, begins(first, serves))},
	{"a new certificate is taken into use", func() error {
		before, err := served("host.example.net")
		if err != nil {
			return err
		}
		if err := all(isGiven, func() error { return balancerEnds(given, status.Done, "restart")() })(); err != nil {
			return err
		}
		after, err := served("host.example.net")
		if err == nil && after.SerialNumber.Cmp(before.SerialNumber) == 0 {
			err = errors.New("the old certificate is served")
		}
		return errors.Join(err, balancerEnds(given, status.AlreadyDone)())
	}},

	{"an authority that is down is waited for", balancerEnds(fromCA(), status.Done, "restart")},
	{"the site is served over plain HTTP meanwhile", plainly},
	{"the step says that the authority does not answer", certificateEnds(fromCA, status.Failed,
		"there is no certificate for host.example.net yet: Unsuccessful in contacting ACME server at <https://acme.example.net:14000/dir>: Connection refused; tried again at ",
		"; the site is served over plain HTTP")},
	{"the site is still served", plainly},
	{"the authority comes, and cannot find the site", all(namesLead("192.0.2.9"), authority, func() error {
		began := time.Now()
		for time.Since(began) < time.Minute {
			if certificateEnds(fromCA, status.Failed, "host.example.net yet: ", "host.example.net: Get ", "dial tcp 192.0.2.9:80", "host.example.net lead to this node, and port 80 with them")() == nil {
				return nil
			}
			time.Sleep(time.Second)
		}
		return certificateEnds(fromCA, status.Failed, "lead to this node")()
	})},
	{"the site is still served", plainly},
	{"the names lead to the site, and nobody does anything", all(namesLead("192.0.2.1"), byItself(fromCA, "www.host.example.net", anything))},
	{"the steps hold", all(balancerEnds(fromCA(), status.AlreadyDone), certificateEnds(fromCA, status.AlreadyDone))},
	{"Apache likes its configuration", sh("apache2ctl configtest 2>&1 | grep -qx 'Syntax OK'")},
	{"the members take turns behind HTTPS", servesHTTPS},
	{"plain HTTP leads to HTTPS, and nowhere else", leadsTo(toHTTPS)},
	{"the certificate is renewed, and the new one is used", byItself(fromCA, "host.example.net", newer())},
	{"nobody is cut off when it is", whileVisited(byItself(fromCA, "host.example.net", newer()))},
	{"the authority is gone when it is time to renew", all(sh("ip addr del 192.0.2.3/32 dev lo"), func() error {
		began := time.Now()
		for time.Since(began) < 3*lives*time.Second {
			if got := walkReally(&ctl{}, fromCA(), Certificate{}); got.State == status.Failed {
				fmt.Println("  it says:", got.Error)
				if !strings.Contains(got.Error, ", and was not renewed: ") || !strings.Contains(got.Error, "; see whether this node reaches acme.example.net:14000") {
					return fmt.Errorf("it ended %+v", got)
				}
				return nil
			}
			time.Sleep(time.Second)
		}
		return errors.New("nobody says that it was not renewed")
	})},
	{"it comes back", all(sh("ip addr add 192.0.2.3/32 dev lo"), byItself(fromCA, "host.example.net", newer()))},
	{"the site gets one name more", balancerEnds(oneMore(), status.Done, "restart")},
	{"until it is in the certificate it leads to the site's own name", leadsTo(map[string]string{
		"more.example.net /x": "https://host.example.net/x", "www.host.example.net /x": "https://www.host.example.net/x"})},
	{"the certificate gets it, too", byItself(oneMore, "more.example.net", func(c *x509.Certificate) bool { return slices.Contains(c.DNSNames, "host.example.net") })},
	{"and it is led to HTTPS by that name", leadsTo(map[string]string{"more.example.net /x": "https://more.example.net/x"})},
	{"Apache ends", sh("apache2ctl stop")},
}
