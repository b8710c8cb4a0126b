package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/netip"

	"berries/firstboot/brick"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/report"
	"berries/firstboot/steps"
	"berries/firstboot/support"
)

// Finder is the peer service: it finds the other nodes, and tells them of this one.
type Finder interface {
	steps.Neighbours
	report.Others
	Handle(path string, who peers.Who, h http.Handler)
	Run(ctx context.Context) error
	Changes() <-chan struct{}
}

// Find makes the peer service of a node with the certificate that lies on it.
// State says where the node stands whenever another asks.
func Find(h *host.Host, f node.File, state func() peers.State, say func(line string)) (Finder, error) {
	log.SetOutput(io.Discard) // zeroconf's own words, one for every packet it cannot read
	cert, ca, err := trust(h.Files)
	if err != nil {
		return nil, fmt.Errorf("cannot prove who this node is: %w", err)
	}
	return peers.New(h, peers.Self{
		Cluster: f.ID, Name: f.Name, Role: f.Role, Cert: cert, CA: ca, Known: neighbours(f), Tunnel: abroad(f), State: state,
	}, say), nil
}

// serve has the peer service tell what others may know of this node.
func serve(finder Finder, h *host.Host, f node.File, r *report.Reporter) {
	if f.Gluster != nil {
		finder.Handle(steps.BrickPath, peers.Nodes, brick.Handler(h.Files, f.Brick.Dir))
	}
	finder.Handle(report.Path, peers.Nodes|peers.Operator, r.Own())
	finder.Handle(report.ClusterPath, peers.Nodes|peers.Operator, r.All())
	s := support.New(h, f, r)
	finder.Handle(support.LogsPath, peers.Operator, s.Logs())
	finder.Handle(support.BundlePath, peers.Operator, s.Bundle())
}

// trust reads this node's certificate and the cluster's CA.
func trust(files *host.Files) (tls.Certificate, *x509.CertPool, error) {
	var pem [3][]byte
	for i, path := range []string{node.CertPath, node.KeyPath, node.CAPath} {
		var err error
		if pem[i], err = files.Read(path); err != nil {
			return tls.Certificate{}, nil, fmt.Errorf("%w; build the image again and flash it", err)
		}
	}
	cert, err := tls.X509KeyPair(pem[0], pem[1])
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("%s and %s: %w", node.CertPath, node.KeyPath, err)
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem[2]) {
		return tls.Certificate{}, nil, fmt.Errorf("%s holds no certificate", node.CAPath)
	}
	return cert, ca, nil
}

// abroad are the nodes in other houses than this one's, at their addresses in the tunnel.
func abroad(f node.File) []peers.Entry {
	if f.Tunnel == nil {
		return nil
	}
	var list []peers.Entry
	for _, n := range f.Nodes {
		e, there := f.Tunnel.End(n.Name)
		if there && n.Name != f.Name && !near(f, n) {
			list = append(list, peers.Entry{Addr: netip.MustParseAddr(e.Address), Name: n.Name}) // the file is valid
		}
	}
	return list
}

// near tells whether a node stands in this one's house.
func near(f node.File, n node.Node) bool { return n.Role == node.Storage && f.Role == node.Storage }

// neighbours are the nodes that can be met on this node's own network: storage
// nodes stand in one house, the others each in one of its own.
func neighbours(f node.File) []peers.Known {
	var list []peers.Known
	for _, n := range f.Nodes {
		if n.Name != f.Name && !near(f, n) {
			continue
		}
		k := peers.Known{Name: n.Name}
		if a, err := netip.ParseAddr(n.Address); err == nil { // "" under DHCP; the file is valid
			k.Addresses = []netip.Addr{a}
		}
		list = append(list, k)
	}
	return list
}
