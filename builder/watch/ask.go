package watch

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"berries/firstboot/peers"
)

// meets is how long it may take until a node has proved who it is.
const meets = 3 * time.Second

// met is a connection to a node that has proved its name.
type met struct {
	*tls.Conn
	name string
}

// meet connects to whoever is at an address: the node of that name, or with "" any node of
// the cluster.
func (c *Client) meet(ctx context.Context, name, at string) (met, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, meets, fmt.Errorf("no answer within %v", meets))
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", at)
	if err != nil {
		return met{}, because(ctx, err)
	}
	return c.prove(ctx, conn, name)
}

// prove has both sides prove who they are, on a connection that is its to close.
func (c *Client) prove(ctx context.Context, conn net.Conn, name string) (met, error) {
	is := met{name: name}
	is.Conn = tls.Client(conn, &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{c.access.Cert},
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true, // by Go, which wants a name beforehand; see below
		VerifyConnection: func(cs tls.ConnectionState) error {
			cert := cs.PeerCertificates[0]
			_, err := cert.Verify(x509.VerifyOptions{
				Roots: c.access.CA, DNSName: name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
			})
			if err == nil && (len(cert.DNSNames) != 1 || cert.DNSNames[0] != cert.Subject.CommonName) {
				err = errors.New("the certificate is no node's")
			}
			is.name = cert.Subject.CommonName
			return err
		},
	})
	if err := is.HandshakeContext(ctx); err != nil {
		conn.Close()
		return met{}, because(ctx, err)
	}
	return is, nil
}

// because is an error, or what the context ended with before it could be another.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// get gets what the node has at a path. The connection is closed with the reader.
func (m met) get(ctx context.Context, path string) (io.ReadCloser, error) {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialTLSContext:    func(context.Context, string, string) (net.Conn, error) { return m.Conn, nil },
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+m.name+path, nil)
	if err != nil {
		m.Close()
		return nil, err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		m.Close()
		return nil, because(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		err := refusal(response)
		response.Body.Close()
		return nil, err
	}
	return response.Body, nil
}

// refusal is what an answer says that is none.
func refusal(r *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<10))
	if words := strings.TrimSpace(string(text)); words != "" {
		return fmt.Errorf("%s: %s", strings.ToLower(r.Status), words)
	}
	return errors.New(strings.ToLower(r.Status))
}

// through connects to another node by a node that has been met. See peers.Service.
func (c *Client) through(ctx context.Context, relay met, name string) (met, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, 2*meets, fmt.Errorf("no answer within %v", 2*meets))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { relay.Close() })
	defer stop()
	to := fmt.Sprintf("%s:%d", name, peers.Port)
	if _, err := fmt.Fprintf(relay, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n", to); err != nil {
		relay.Close()
		return met{}, because(ctx, err)
	}
	// Nobody says anything behind the answer before we do.
	response, err := http.ReadResponse(bufio.NewReader(relay), &http.Request{Method: http.MethodConnect})
	if err != nil {
		relay.Close()
		return met{}, because(ctx, err)
	}
	if response.StatusCode != http.StatusOK {
		relay.SetDeadline(time.Now().Add(meets))
		err := refusal(response)
		relay.Close()
		return met{}, err
	}
	return c.prove(ctx, relay, name)
}

// Get gets what a node has at a path: from itself, or through another one. Whoever gets a
// reader closes it.
func (c *Client) Get(ctx context.Context, name, path string) (io.ReadCloser, error) {
	to, err := c.reach(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s: %w", name, err)
	}
	body, err := to.get(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("cannot ask %s for %s: %w", name, path, err)
	}
	return body, nil
}

// reach connects to a node in one of both ways.
func (c *Client) reach(ctx context.Context, name string) (met, error) {
	why := ErrNobody
	for _, at := range c.waysTo(name) {
		m, err := c.meet(ctx, name, at)
		if err == nil {
			c.proven(name, at)
			return m, nil
		}
		why = fmt.Errorf("%s: %w", at, err)
	}
	for _, other := range c.names() {
		for _, at := range c.waysTo(other)[:min(1, len(c.waysTo(other)))] {
			if other == name || ctx.Err() != nil {
				continue
			}
			relay, err := c.meet(ctx, other, at)
			if err != nil {
				continue
			}
			m, err := c.through(ctx, relay, name)
			if err == nil {
				return m, nil
			}
			why = fmt.Errorf("through %s: %w", other, err)
		}
	}
	return met{}, because(ctx, why)
}
