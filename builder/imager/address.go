package imager

import (
	"errors"
	"fmt"
	"net"
	"net/url"
)

// URLs are the addresses of the list, for a listener on all of this machine's or on one.
func (s *Server) URLs(l net.Listener) ([]string, error) {
	at, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.New("it does not listen for TCP")
	}
	ips := []net.IP{at.IP}
	if at.IP.IsUnspecified() {
		var err error
		if ips, err = addresses(); err != nil {
			return nil, err
		}
	}
	var all []string
	for _, ip := range ips {
		u := url.URL{Scheme: "http", Host: net.JoinHostPort(ip.String(), fmt.Sprint(at.Port)), Path: "/" + s.Token + "/" + ListName}
		all = append(all, u.String())
	}
	return all, nil
}

// addresses are those of this machine that others can reach, IPv4 first; that of the
// machine for itself when there are none.
func addresses() ([]net.IP, error) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var four, six []net.IP
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		switch {
		case !ok || !n.IP.IsGlobalUnicast():
		case n.IP.To4() != nil:
			four = append(four, n.IP)
		default:
			six = append(six, n.IP)
		}
	}
	if ips := append(four, six...); len(ips) > 0 {
		return ips, nil
	}
	return []net.IP{net.IPv4(127, 0, 0, 1)}, nil
}
