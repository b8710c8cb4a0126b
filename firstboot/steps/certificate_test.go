package steps

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// fromAuthority is the node file of a balancer whose certificate is an authority's.
func fromAuthority() node.File {
	f := lb()
	f.Balancer.Aliases = []string{"www.host.example.net"}
	f.Balancer.HTTPS = &node.HTTPS{Port: 443, ACME: &node.ACME{Email: "me@example.net", Server: "https://acme.example.net/dir"}}
	return f
}

// aCertificate is one for the names, and its key. It ends in so many days after the
// first of a clock of hosttest, and has lived for thirty.
func aCertificate(t *testing.T, days int, names ...string) node.Pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	end := time.Time{}.AddDate(1, 0, days)
	form := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: names, NotBefore: end.AddDate(0, 0, -30), NotAfter: end}
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
	return node.Pair{Chain: text("CERTIFICATE", cert), Key: text("PRIVATE KEY", der)}
}

const (
	inUse   = mdDir + "/domains/host.example.net/pubcert.pem"
	noted   = mdDir + "/staging/host.example.net/job.json"
	refused = `{"finished": false, "errors": 2, "next-run": "Fri, 27 Nov 2026 09:51:12 GMT", "last": {
		"problem": "urn:ietf:params:acme:error:rateLimited", "detail": "too many certificates already issued"}}`
)

// certified is a host on which Balancer has done its part, with those files besides.
func certified(t *testing.T, f node.File, files map[string]string, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	h := hosttest.New(t, files, transcript...)
	h.Clock.Sleep(t.Context(), time.Time{}.AddDate(1, 0, 0).Sub(time.Time{}))
	furnish(h, f)
	h.Write(wanted, "-> /lib/systemd/system/apache2.service")
	h.Units.Asked = []string{"start apache2.service"}
	return h
}

// furnish has Apache configured and running as the balancer wants it by now.
func furnish(h *hosttest.Host, f node.File) {
	b := balancerOf(h.Host, f)
	h.Write("/etc/apache2/ports.conf", b.ports())
	h.Write("/etc/apache2/sites-available/berry.conf", b.site())
	for name, target := range map[string]string{"sites-enabled/berry.conf": "../sites-available/berry.conf"} {
		h.Remove(apacheDir + "/" + name)
		h.Write(apacheDir+"/"+name, "-> "+target)
	}
	for _, m := range b.modules {
		h.Remove(apacheDir + "/mods-enabled/" + m + ".load")
		h.Write(apacheDir+"/mods-enabled/"+m+".load", "-> ../mods-available/"+m+".load")
	}
	h.Host.HTTP = always(http.StatusNoContent, b.sum())
}

func TestCertificateHolds(t *testing.T) {
	f := fromAuthority()
	for name, files := range map[string]map[string]string{
		"with a certificate":                             {},
		"while the authority is asked for the next":      {noted: `{"errors": 0}`},
		"while the authority refuses, and there is time": {noted: refused},
		"whatever half a note says":                      {noted: `{"finished": tr`},
	} {
		files[inUse] = aCertificate(t, 20, "host.example.net", "www.host.example.net").Chain
		end, _ := told(t, certified(t, f, files).Host, f, Certificate{})
		same(t, name, status.Step{Name: "certificate", State: status.AlreadyDone}, end)
	}
}

func TestWhyThereIsNoCertificate(t *testing.T) {
	f := fromAuthority()
	const to = "; see whether host.example.net and www.host.example.net lead to this node, and port 80 with them; the site is served over plain HTTP"
	log := `[md:error] ACME server authz: challenge 'invalid' for www.host.example.net at https://acme.example.net/authz/1. Exact response was: ` +
		`{"status":"invalid","challenges":[{"type":"dns-01"},{"type":"http-01","error":{"type":"urn:ietf:params:acme:error:unauthorized","detail":"Invalid response from \\"http://www\\": 404"}}]}` + "\n"
	const waited = `{"errors": 1, "last": {"detail": "Error waiting on domain names to be validated", "status-description": "Invalid argument", "activity": "Monitoring challenge status for host.example.net"}}`
	for name, tt := range map[string]struct {
		files map[string]string
		want  string
	}{
		"the authority's words": {map[string]string{noted: refused}, "too many certificates already issued; tried again at 2026-11-27 09:51 UTC" + to},
		"it is not reached": {map[string]string{noted: `{"errors": 1, "last": {"status-description": "Connection refused", "activity": "Contacting ACME server",
			"detail": "Unsuccessful in contacting ACME server at <https://acme.example.net/dir>. If this problem persists, please"}}`},
			"Unsuccessful in contacting ACME server at <https://acme.example.net/dir>: Connection refused; see whether this node reaches acme.example.net; the site is served over plain HTTP"},
		"the system's word alone": {map[string]string{noted: `{"errors": 1, "last": {"status-description": "Network is unreachable"}}`},
			"Network is unreachable; see whether this node reaches acme.example.net; the site is served over plain HTTP"},
		"its words in Apache's log":      {map[string]string{noted: waited, "/var/log/apache2/error.log": strings.ReplaceAll(log, "www.", "old.") + log + "more\n"}, `www.host.example.net: Invalid response from "http://www": 404` + to},
		"a log that is new":              {map[string]string{noted: waited, "/var/log/apache2/error.log": "more\n"}, "Error waiting on domain names to be validated" + to},
		"a log with half a line":         {map[string]string{noted: waited, "/var/log/apache2/error.log": log[:250] + "}\n"}, "Error waiting on domain names to be validated" + to},
		"a certificate for another name": {map[string]string{noted: refused, inUse: aCertificate(t, 20, "other.example.net").Chain}, "too many certificates already issued; tried again at 2026-11-27 09:51 UTC" + to},
	} {
		end, _ := told(t, certified(t, f, tt.files).Host, f, Certificate{})
		same(t, name, status.Step{Name: "certificate", State: status.Failed, Error: "there is no certificate for host.example.net yet: " + tt.want}, end)
	}
}

func TestACertificateThatWasNotRenewed(t *testing.T) {
	f := fromAuthority()
	end, _ := told(t, certified(t, f, map[string]string{noted: refused, inUse: aCertificate(t, 3, "host.example.net").Chain}).Host, f, Certificate{})
	same(t, "end", status.Step{Name: "certificate", State: status.Failed, Error: "the certificate for host.example.net ends on 0002-01-04, and was not renewed: " +
		"too many certificates already issued; tried again at 2026-11-27 09:51 UTC; see whether host.example.net and www.host.example.net lead to this node, and port 80 with them"}, end)
}

// The first certificate comes after a while, Apache takes it, and the site becomes one
// of HTTPS.
func TestTheFirstCertificateIsTakenIntoUse(t *testing.T) {
	f := fromAuthority()
	var h *hosttest.Host
	took := ran("apache2ctl graceful")
	took.Then = func() {
		h.Remove(mdDir + "/staging/host.example.net")
		h.Write(inUse, aCertificate(t, 30, "host.example.net", "www.host.example.net").Chain)
	}
	h = certified(t, f, nil, took, configtest)
	h.Host.Clock = &eventful{Clock: h.Clock.(*hosttest.Clock), after: 5, do: func() { h.Write(noted, `{"finished": true}`) }}
	h.Units.Then = func(string) error { furnish(h, f); return nil }
	end, said := told(t, h.Host, f, Certificate{})
	same(t, "end", status.Step{Name: "certificate", State: status.Done}, end)
	same(t, "said", []string{"waiting for a certificate", "taking the new certificate into use",
		"writing /etc/apache2/ports.conf", "writing /etc/apache2/sites-available/berry.conf", "starting Apache again"}, said)
	same(t, "ports", oursMark+"\nListen 80\nListen 443 https\n", h.Read("/etc/apache2/ports.conf"))
}

// eventful is a clock on which something happens after some sleeps.
type eventful struct {
	*hosttest.Clock
	after int
	do    func()
}

func (c *eventful) Sleep(ctx context.Context, d time.Duration) error {
	if c.after--; c.after == 0 {
		c.do()
	}
	return c.Clock.Sleep(ctx, d)
}

func TestACertificateThatDoesNotCome(t *testing.T) {
	f := fromAuthority()
	h := certified(t, f, nil)
	end, _ := told(t, h.Host, f, Certificate{})
	same(t, "end", status.Step{Name: "certificate", State: status.Failed,
		Error: "there is no certificate for host.example.net yet: Apache still waits for https://acme.example.net/dir"}, end)
}

func TestACertificateThatApacheDoesNotTake(t *testing.T) {
	f := fromAuthority()
	h := certified(t, f, map[string]string{noted: `{"finished": true}`}, ran("apache2ctl graceful"))
	end, _ := told(t, h.Host, f, Certificate{})
	same(t, "end", status.Step{Name: "certificate", State: status.Failed,
		Error: "apache2 does not take its new certificate; type: tail /var/log/apache2/error.log"}, end)
}

// line finds the lines of a site that begin with one of the words.
func lines(site string, words ...string) []string {
	var got []string
	for line := range strings.Lines(site) {
		for _, w := range words {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, w) {
				got = append(got, line)
			}
		}
	}
	return got
}

func TestHTTPSAtOtherPorts(t *testing.T) {
	p := aCertificate(t, 20, "host.example.net")
	for _, tt := range []struct {
		port, secure int
		at           string
		hsts         bool
	}{
		{80, 443, "", true}, {80, 8443, ":8443", false}, {8080, 443, "", false},
	} {
		f := lb()
		f.Balancer.Port, f.Balancer.HTTPS = tt.port, &node.HTTPS{Port: tt.secure, Pair: &p}
		site := balancerOf(nil, f).site()
		same(t, "sites", []string{fmt.Sprintf("<VirtualHost *:%d>", tt.port), fmt.Sprintf("<VirtualHost *:%d>", tt.secure)}, lines(site, "<VirtualHost"))
		// The certificate is not for the aliases, so these lead to another name.
		same(t, "redirects", []string{
			`RewriteCond "%{HTTP_HOST} %{THE_REQUEST}" "^(host\.example\.net)(?::[0-9]+)? [A-Z]+ (?:https?://[^/ ]*)?(/[^ ]*)" [NC]`,
			"RewriteRule ^ https://%1" + tt.at + "%2 [R=301,NE,UnsafeAllow3F,L]",
			"RewriteRule ^ https://host.example.net" + tt.at + "%1 [R=301,NE,UnsafeAllow3F,L]",
			"RewriteRule ^ https://host.example.net" + tt.at + "/ [R=301,L]",
		}, lines(site, `RewriteCond "`, "RewriteRule ^ https"))
		if got := strings.Contains(site, "Strict-Transport-Security"); got != tt.hsts {
			t.Errorf("%d and %d: HSTS %v, want %v", tt.port, tt.secure, got, tt.hsts)
		}
	}
}

func TestTheSumOfABalancerFollowsItsCertificate(t *testing.T) {
	f := lb()
	sums := map[string]bool{balancerOf(nil, f).sum(): true}
	for range 2 {
		p := aCertificate(t, 20, "host.example.net")
		f.Balancer.HTTPS = &node.HTTPS{Port: 443, Pair: &p}
		sums[balancerOf(nil, f).sum()] = true
	}
	if len(sums) != 3 {
		t.Errorf("of three balancers the sums are %v", sums)
	}
}

func TestACertificateThatWasGivenIsWrittenBeforeTheSite(t *testing.T) {
	p := aCertificate(t, 20, "host.example.net")
	f := lb()
	f.Balancer.HTTPS = &node.HTTPS{Port: 443, Pair: &p}
	h := certified(t, lb(), map[string]string{"/etc/berry/tls/": ""}, configtest)
	h.Units.Then = func(string) error { furnish(h, f); return nil }
	end, said := told(t, h.Host, f, Balancer{})
	same(t, "end", status.Step{Name: "balancer", State: status.Done}, end)
	same(t, "said", []string{"writing /etc/berry/tls/site.pem", "writing /etc/apache2/ports.conf", "writing /etc/apache2/sites-available/berry.conf",
		"linking /etc/apache2/mods-enabled/ssl.load", "linking /etc/apache2/mods-enabled/socache_shmcb.load", "starting Apache again"}, said)
	info, err := h.Files.Stat(pairPath)
	if err != nil || info.Mode() != 0o600 || h.Read(pairPath) != p.Chain+p.Key {
		t.Errorf("%s: %v, %v", pairPath, info, err)
	}
	if strings.Contains(h.Read("/etc/apache2/sites-available/berry.conf"), "PRIVATE") {
		t.Error("the key is in the site")
	}
}
