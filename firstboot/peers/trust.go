package peers

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"time"

	"berries/firstboot/node"
)

// toAsk is the TLS configuration for asking the node of that name: only its own
// certificate will do.
func (s *Service) toAsk(name string) *tls.Config {
	c := s.both(func(cert *x509.Certificate) error { return cert.VerifyHostname(name) }, x509.ExtKeyUsageServerAuth)
	c.ServerName = name
	return c
}

// toServe is the TLS configuration for answering: nodes of the cluster, and the
// operator.
func (s *Service) toServe() *tls.Config {
	c := s.both(func(cert *x509.Certificate) error {
		if nodeOf(cert) == "" && !isOperator(cert) {
			return errors.New("the certificate is neither a node's nor the operator's")
		}
		return nil
	}, x509.ExtKeyUsageClientAuth)
	c.ClientAuth = tls.RequireAnyClientCert // and both verifies it
	return c
}

// both is what the two sides have in common. Go's own verification is replaced by
// a stricter one that goes by judgedAt: it has no place for that.
func (s *Service) both(who func(*x509.Certificate) error, usage x509.ExtKeyUsage) *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{s.self.Cert},
		NextProtos:             []string{"http/1.1"},
		SessionTicketsDisabled: true, // every connection is a proof of its own
		InsecureSkipVerify:     true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			if len(cs.PeerCertificates) == 0 {
				return errors.New("there is no certificate")
			}
			cert := cs.PeerCertificates[0]
			_, err := cert.Verify(x509.VerifyOptions{
				Roots:       s.self.CA,
				CurrentTime: judgedAt(s.clock.Now(), cert),
				KeyUsages:   []x509.ExtKeyUsage{usage},
			})
			if err != nil {
				return err
			}
			return who(cert)
		},
	}
}

// judgedAt is the time at which the validity of a certificate is judged: now, but
// never before the certificate's own beginning. A Pi has no clock until it has a
// network, and shows a time in the past; an end that is over stays over.
func judgedAt(now time.Time, cert *x509.Certificate) time.Time {
	if now.Before(cert.NotBefore) {
		return cert.NotBefore
	}
	return now
}

// nodeOf is the node that a certificate of the cluster's CA is for, or "".
func nodeOf(cert *x509.Certificate) string {
	if len(cert.DNSNames) == 1 && cert.DNSNames[0] == cert.Subject.CommonName {
		return cert.Subject.CommonName
	}
	return ""
}

func isOperator(cert *x509.Certificate) bool {
	return len(cert.DNSNames) == 0 && cert.Subject.CommonName == node.OperatorName
}
