package steps

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Certificate has the balancer's site use the certificates that Apache's mod_md gets
// from an authority, by itself: the first one, and each that comes in its place before
// it ends.
//
// It needs Balancer, the internet, and names that lead to this node. It leaves the
// site as Balancer has it with a certificate. Apache takes a new one only when it
// starts again, which is done here, gracefully: nobody who is being served is cut off.
//
// The step holds when the site has a certificate and none waits to be used. It fails
// in the authority's words while there is none, or when one is about to end and was
// not renewed; mod_md goes on trying meanwhile, less often each time.
//
// Nothing needs this step: without it the site is served over plain HTTP.
type Certificate struct{}

// Name implements Step.
func (Certificate) Name() string { return "certificate" }

// Spared tells that nothing needs the step.
func (Certificate) Spared() {}

// Look implements Step. It fails while the authority refuses.
func (Certificate) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := managed{h, f}.differences(ctx)
	return stateOf(list), err
}

// Act implements Step. It waits a minute for the first certificate.
func (Certificate) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	return mendAll(ctx, say, func() ([]difference, error) { return managed{h, f}.differences(ctx) })
}

// managed does the work of the step.
type managed struct {
	h *host.Host
	f node.File
}

const (
	// firstAnswers is how long the first certificate is waited for. It takes an
	// authority some seconds.
	firstAnswers = time.Minute
	// gracefulStarts is how long Apache may take to start again.
	gracefulStarts = 30 * time.Second
)

// Whatever Apache has by now comes first: without it mod_md does nothing, and with a
// new certificate the site is another one.
func (m managed) differences(ctx context.Context) ([]difference, error) {
	b := balancerOf(m.h, m.f)
	if list, err := b.differences(ctx); err != nil || len(list) > 0 {
		return list, err
	}
	job, err := m.job(b)
	if err != nil {
		return nil, err
	}
	cert, err := b.certificate()
	switch {
	case err != nil:
		return nil, err
	case job.Finished:
		return []difference{{what: "a new certificate is not in use", doing: "taking the new certificate into use",
			mend: func(ctx context.Context) error { return m.use(ctx, b) }}}, nil
	case len(b.certified) == 0 && job.Errors > 0:
		return nil, fmt.Errorf("there is no certificate for %s yet: %s; the site is served over plain HTTP", b.ServerName, m.words(b, job))
	case len(b.certified) == 0:
		return []difference{{what: "there is no certificate for " + b.ServerName + " yet", doing: "waiting for a certificate",
			mend: func(ctx context.Context) error { return m.wait(ctx, b) }}}, nil
	case job.Errors > 0 && late(cert, m.h.Clock.Now()):
		return nil, fmt.Errorf("the certificate for %s ends on %s, and was not renewed: %s",
			b.ServerName, cert.NotAfter.UTC().Format(time.DateOnly), m.words(b, job))
	}
	return nil, nil
}

// late tells whether a certificate should have been renewed long ago: mod_md begins
// when a third of its time is left.
func late(cert *x509.Certificate, now time.Time) bool {
	return cert.NotAfter.Sub(now) < cert.NotAfter.Sub(cert.NotBefore)/6
}

// wait waits for the first certificate, or for the first refusal.
func (m managed) wait(ctx context.Context, b balancer) error {
	var job mdJob
	var err error
	for until := m.h.Clock.Now().Add(firstAnswers); m.h.Clock.Now().Before(until); {
		if job, err = m.job(b); err != nil || job.Finished || job.Errors > 0 {
			return err
		}
		if err := m.h.Clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("there is no certificate for %s yet: Apache still waits for %s", b.ServerName, b.HTTPS.ACME.Server)
}

// use has Apache start again with what waits for it.
func (m managed) use(ctx context.Context, b balancer) error {
	if _, err := m.h.Runner.Run(ctx, host.Command("apache2ctl", "graceful")); err != nil {
		return fmt.Errorf("apache2 does not start again: %w", err)
	}
	for until := m.h.Clock.Now().Add(gracefulStarts); m.h.Clock.Now().Before(until); {
		if job, err := m.job(b); err != nil || !job.Finished {
			return err
		}
		if err := m.h.Clock.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return errors.New("apache2 does not take its new certificate; type: tail /var/log/apache2/error.log")
}
