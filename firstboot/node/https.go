package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
)

var (
	// What a line of Apache's configuration holds without quotes.
	emailShape     = regexp.MustCompile(`^[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$`)
	directoryShape = regexp.MustCompile(`^https://([A-Za-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?/[A-Za-z0-9._~/-]*$`)
)

// validate never repeats a key.
func (s HTTPS) validate(b Balancing) error {
	switch {
	case !validPort(s.Port):
		return fmt.Errorf("port %d is not a TCP port", s.Port)
	case s.Port == b.Port:
		return fmt.Errorf("port %d is also that of plain HTTP", s.Port)
	case (s.ACME == nil) == (s.Pair == nil):
		return errors.New("want either acme or pair")
	case s.ACME != nil:
		if err := s.ACME.validate(b); err != nil {
			return fmt.Errorf("acme: %w", err)
		}
		return nil
	}
	pair, err := tls.X509KeyPair([]byte(s.Pair.Chain), []byte(s.Pair.Key))
	if err == nil {
		err = pair.Leaf.VerifyHostname(b.ServerName)
	}
	if err != nil {
		return fmt.Errorf("pair: %w", err)
	}
	return nil
}

// validate wants what an authority can prove: names, and port 80.
func (a ACME) validate(b Balancing) error {
	switch {
	case !emailShape.MatchString(a.Email):
		return fmt.Errorf("email %q is no address of mail", a.Email)
	case !directoryShape.MatchString(a.Server):
		return fmt.Errorf("server %q is no URL that begins with https", a.Server)
	case b.Port != 80:
		return fmt.Errorf("the authority asks at port 80, and the balancer listens at %d", b.Port)
	}
	for _, name := range append([]string{b.ServerName}, b.Aliases...) {
		if _, err := netip.ParseAddr(name); err == nil {
			return fmt.Errorf("%s is an address, and a certificate is for names", name)
		}
	}
	return nil
}
