// Package watchtest stands in for the nodes of a cluster, for tests of what asks them: a
// server with a node's real certificate, which answers only to the operator's, and says
// what a test has it say.
package watchtest

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"

	"berries/builder/secrets"
	"berries/firstboot/node"
)

// Node is a node that says always the same.
type Node struct {
	Name string
	// Says are its answers, by path. Other paths are not there.
	Says map[string][]byte
	// Relays are addresses of nodes that it passes connections on to, by name.
	Relays map[string]string
}

// Start has a node answer, with the certificate of a secrets folder, until stop.
func (n Node) Start(folder secrets.Folder) (at string, stop func(), err error) {
	ca, err := folder.CA()
	if err != nil {
		return "", nil, err
	}
	pair, err := folder.NodeCert(n.Name)
	if err != nil {
		return "", nil, err
	}
	cert, err := tls.X509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		return "", nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
	})
	if err != nil {
		return "", nil, err
	}
	server := &http.Server{Handler: http.HandlerFunc(n.answer), ErrorLog: log.New(io.Discard, "", 0)}
	go server.Serve(listener)
	return listener.Addr().String(), func() { server.Close() }, nil
}

func (n Node) answer(w http.ResponseWriter, r *http.Request) {
	says, there := n.Says[r.URL.Path]
	switch {
	case r.TLS.PeerCertificates[0].Subject.CommonName != node.OperatorName:
		http.Error(w, "this is not for you", http.StatusForbidden)
	case r.Method == http.MethodConnect:
		n.relay(w, r)
	case !there:
		http.NotFound(w, r)
	default:
		w.Write(says)
	}
}

func (n Node) relay(w http.ResponseWriter, r *http.Request) {
	there, err := net.Dial("tcp", n.Relays[r.URL.Hostname()])
	if err != nil {
		http.Error(w, r.URL.Hostname()+" is silent", http.StatusBadGateway)
		return
	}
	here, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		there.Close()
		return
	}
	io.WriteString(here, "HTTP/1.1 200 Connected\r\n\r\n")
	var once sync.Once
	end := func() { errors.Join(here.Close(), there.Close()) }
	go func() { io.Copy(there, here); once.Do(end) }()
	io.Copy(here, there)
	once.Do(end)
}
