package fetch

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"
)

// maxAttempts is how many attempts in a row may get no further.
const maxAttempts = 4

// tryAgain marks an error after which another attempt may end better.
type tryAgain struct{ error }

func (e tryAgain) Unwrap() error { return e.error }

var (
	errWrongRange    = tryAgain{errors.New("the server sent another part of the file than the one asked for")}
	errPlainRedirect = errors.New("it leads to plain http, where anyone on the way could change the file")
)

// StatusError is a server's answer other than the file.
type StatusError struct {
	URL    string // as asked for, without any password
	Code   int    // such as 404
	Status string // such as "404 Not Found"
}

func (e *StatusError) Error() string { return "the server answered " + e.Status }

// ChecksumError says that bytes are not the ones that were asked for.
type ChecksumError struct {
	What      string // what was checked
	Got, Want string // SHA-256 in hex
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s has SHA-256 %s, not %s", e.What, e.Got, e.Want)
}

// transient tells whether another attempt may end better.
func transient(err error) bool {
	var again tryAgain
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests || status.Code == http.StatusRequestTimeout
	}
	return errors.As(err, &again)
}

// networkError is err of a request or of an answer's body, without the URL
// that whoever reports it names anyway. Most are worth another attempt; a name
// that does not exist and a certificate that is wrong are not.
func networkError(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		err = at.Err
	}
	var name *net.DNSError
	var cert *tls.CertificateVerificationError
	var noTLS tls.RecordHeaderError
	switch {
	case errors.As(err, &name) && name.IsNotFound,
		errors.As(err, &cert), errors.As(err, &noTLS), errors.Is(err, errPlainRedirect):
		return err
	}
	return tryAgain{err}
}

// pause waits before the attempt after that many failures: Backoff, then twice
// and four times as long, or until ctx ends.
func (c *Client) pause(ctx context.Context, failures int, why error) error {
	wait := c.Backoff
	if wait == 0 {
		wait = time.Second
	}
	wait <<= failures - 1
	c.log("%v; trying again in %s", why, wait)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(wait):
		return nil
	}
}

func (c *Client) stall() time.Duration {
	if c.Stall == 0 {
		return time.Minute
	}
	return c.Stall
}
