package peers

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"berries/firstboot/host"
)

// Who is asked, and who asks, must have a certificate of the cluster's CA that
// says so.
func TestWhoIsTaken(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	past := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = time.Unix(0, 0), time.Unix(1000, 0) }
	young := func(c *x509.Certificate) { c.NotBefore = time.Now().Add(-time.Minute) }
	usage := func(u x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	tests := []struct {
		name          string
		cert          tls.Certificate
		now           time.Time
		asked, mayAsk bool // taken for n2; answered
	}{
		{"n2", ca.node("n2", nil), time.Now(), true, true},
		{"n2 of another CA", other.node("n2", nil), time.Now(), false, false},
		{"n3", ca.node("n3", nil), time.Now(), false, true},
		{"the operator", ca.operator(nil), time.Now(), false, true},
		{"an operator of another CA", other.operator(nil), time.Now(), false, false},
		{"n2, long ago", ca.node("n2", past), time.Now(), false, false},
		{"n2, while this node's clock is at 1970", ca.node("n2", young), time.Unix(500, 0), true, true},
		{"n2, as a client only", ca.node("n2", usage(x509.ExtKeyUsageClientAuth)), time.Now(), false, true},
		{"n2, as a server only", ca.node("n2", usage(x509.ExtKeyUsageServerAuth)), time.Now(), true, false},
		{"a common name without a SAN", ca.node("n2", func(c *x509.Certificate) { c.DNSNames = nil }), time.Now(), false, false},
		{"n2 and n3 in one", ca.node("n2", func(c *x509.Certificate) { c.DNSNames = []string{"n2", "n3"} }), time.Now(), true, false},
		{"the CA itself", tls.Certificate{Certificate: [][]byte{ca.cert.Raw}, PrivateKey: ca.key}, time.Now(), false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWire()
			one, _ := w.start(t, self(ca, "n1"), "10.0.0.1", stopped{at: tt.now})
			err := ask(w, "10.0.0.1", &tls.Config{Certificates: []tls.Certificate{tt.cert}})
			if (err == nil) != tt.mayAsk {
				t.Errorf("its question: %v", err)
			}
			listener := impostor(t, tt.cert)
			w.mu.Lock()
			w.listeners[netip.MustParseAddr("10.0.0.2")] = listener
			w.mu.Unlock()
			_, err = one.askAt(t.Context(), question{"n2", at("10.0.0.2")})
			if (err == nil) != tt.asked {
				t.Errorf("asked for n2: %v", err)
			}
		})
	}
}

// ask asks as somebody who does not care for whom he asks.
func ask(w *wire, addr string, config *tls.Config) error {
	config.InsecureSkipVerify = true
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			conn, err := plug{w, netip.Addr{}}.dial(ctx, at(addr))
			if err != nil {
				return nil, err
			}
			return tls.Client(conn, config), nil
		},
	}}
	response, err := client.Get("https://n1/state")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && !bytes.Contains(body, []byte(`"name":"n1"`)) {
		return errors.New(string(body))
	}
	return err
}

// impostor serves an answer of n2 under a certificate, to anybody.
func impostor(t *testing.T, cert tls.Certificate) net.Listener {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(answer{Protocol: Protocol, Name: "n2"})
	}), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
	return l
}

func TestOldTLSAndNoCertificateAreRefused(t *testing.T) {
	ca, w := newAuthority(t), newWire()
	w.start(t, self(ca, "n1"), "10.0.0.1", host.Wall{})
	for name, config := range map[string]*tls.Config{
		"TLS 1.2":        {Certificates: []tls.Certificate{ca.node("n2", nil)}, MaxVersion: tls.VersionTLS12},
		"no certificate": {},
	} {
		if err := ask(w, "10.0.0.1", config); err == nil {
			t.Errorf("%s: there was an answer", name)
		}
	}
}
