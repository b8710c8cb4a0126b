// Package host is everything that a step of the first boot may touch: files
// below one root directory, external commands through one runner, systemd's
// units, mounts and block devices as the kernel shows them, and the clock.
//
// Steps get a Host and touch nothing else. On a node it is made by New with the
// root "/"; a unit test gives a temporary directory with the files that matter,
// /proc and /sys among them, and a runner that plays a transcript (package
// hosttest). What needs the real kernel is tested on one, in package umltest.
//
// The builder shares the runner with us, so the package compiles wherever the
// builder does; what only a Linux node has is in files named for it.
package host

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Host is the machine that the steps work on.
type Host struct {
	Files  *Files
	Runner Runner
	Units  Units
	Clock  Clock
	// HTTP asks a server on this machine or beside it. No program that could is on
	// every base.
	HTTP http.RoundTripper
	// UDP asks what does not speak TCP.
	UDP UDP
	// Listen takes TCP connections at an IPv4 address, which need not be the machine's yet.
	Listen func(ctx context.Context, at netip.AddrPort) (net.Listener, error)
	// Lookup gives the addresses that a name leads to, by the hosts file or the DNS. It
	// fails where there are none.
	Lookup func(ctx context.Context, name string) ([]netip.Addr, error)
	// SetHostname gives the running kernel a host name.
	SetHostname func(name string) error
}

// Units is systemd. Every method returns when systemd has done it, not when it
// has been asked.
type Units interface {
	// Start starts a unit; one that is active already stays as it is.
	Start(ctx context.Context, unit string) error
	// Restart stops a unit that is active, and starts it.
	Restart(ctx context.Context, unit string) error
	// Stop stops a unit; one that is not active stays as it is.
	Stop(ctx context.Context, unit string) error
	// Enable has units started at every boot.
	Enable(ctx context.Context, units ...string) error
	// Mask keeps units from being started by anybody.
	Mask(ctx context.Context, units ...string) error
	// Reload has systemd read all unit files again, and run its generators.
	Reload(ctx context.Context) error
	// Active tells whether a unit is up: active, or reloading.
	Active(ctx context.Context, unit string) (bool, error)
}

// UDP asks questions of one packet. IPv4 is enough for those whom we ask.
type UDP interface {
	// Source is the address of this machine that whoever is at to sees.
	Source(to netip.Addr) (netip.Addr, error)
	// Ask sends a packet, to one machine or to a multicast group, and hands what comes
	// back to heard until that has enough, which is true, or the time is over, which is
	// no error. An answer is cut off at 2 KiB.
	Ask(ctx context.Context, from netip.Addr, to netip.AddrPort, packet []byte, limit time.Duration,
		heard func(from netip.AddrPort, answer []byte) (enough bool)) error
}

// Clock is time as a step sees it.
type Clock interface {
	Now() time.Time
	// Sleep returns nil after d, or the context's error before.
	Sleep(ctx context.Context, d time.Duration) error
}

// Wall is the machine's own clock.
type Wall struct{}

// Now implements Clock.
func (Wall) Now() time.Time { return time.Now() }

// Sleep implements Clock.
func (Wall) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
