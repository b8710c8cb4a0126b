package host

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// lookup asks anew each time: a resolver of its own keeps no answers.
func lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	return (&net.Resolver{PreferGo: true}).LookupNetIP(ctx, "ip", name)
}

// listen has the kernel take an address that is to come, such as the tunnel's.
func listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, conn syscall.RawConn) (err error) {
		failed := conn.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1) })
		return errors.Join(failed, err)
	}}
	return config.Listen(ctx, "tcp4", at.String())
}

// New is the Host of a real node, whose file tree starts at root. Every command
// that a step runs is told to log, which may be nil.
func New(root string, log func(line string)) (*Host, error) {
	files, err := OpenFiles(root)
	if err != nil {
		return nil, err
	}
	return &Host{
		Files: files,
		// Answers are parsed: they must not come in the node's language.
		Runner:      Exec{Env: append(os.Environ(), "LC_ALL=C"), Log: log},
		Units:       Systemd{},
		Clock:       Wall{},
		HTTP:        &http.Transport{DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10}, // without a proxy
		UDP:         Network{},
		Listen:      listen,
		Lookup:      lookup,
		SetHostname: func(name string) error { return unix.Sethostname([]byte(name)) },
	}, nil
}
