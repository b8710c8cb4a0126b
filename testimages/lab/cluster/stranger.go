package cluster

import (
	"context"
	"fmt"
	"net/netip"
	"path/filepath"

	"berries/firstboot/host"
)

// Stranger is a computer on the LAN that is none of the cluster's: this machine's
// files and processes, and a network card of its own.
type Stranger struct {
	Name    string
	Address netip.Addr
	lab     *Lab
}

// strangersDir is where the groups of strangers are.
const strangersDir = "strangers"

// Attach connects a stranger to the LAN at home or, where there is one, to the
// internet, at an address of it above .200, with the router as its gateway. It and its
// programs stay until Down.
func (l *Lab) Attach(ctx context.Context, name string, address netip.Addr) (*Stranger, error) {
	s := home
	if internet.lan.Contains(address) {
		s = internet
	}
	if !s.lan.Contains(address) {
		return nil, fmt.Errorf("cannot attach %s: %s is not in the LAN, %s", name, address, LAN)
	}
	number := address.As4()[3]
	port := fmt.Sprintf("guest%d", number)
	if err := l.group(filepath.Join(strangersDir, name)).make(); err != nil {
		return nil, fmt.Errorf("cannot attach %s: %w", name, err)
	}
	if err := l.join(ctx, s, name, port, fmt.Sprintf("02:00:5e:00:03:%02x", number)); err != nil {
		return nil, err
	}
	for _, args := range [][]string{
		{"link", "set", "lo", "up"},
		{"link", "set", "eth0", "up"},
		{"addr", "add", netip.PrefixFrom(address, s.lan.Bits()).String(), "dev", "eth0"},
		{"route", "add", "default", "via", s.router().String()},
	} {
		if err := l.ip(ctx, name, args...); err != nil {
			return nil, err
		}
	}
	return &Stranger{name, address, l}, l.ip(ctx, s.name, "link", "set", port, "up")
}

// Run runs a program of this machine at the stranger's place in the LAN.
func (s *Stranger) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	cmd, err := s.Command(cmd)
	if err != nil {
		return host.Result{}, err
	}
	return s.lab.run.Run(ctx, cmd)
}

// Command is what Run runs, for whoever starts it by other means.
func (s *Stranger) Command(cmd host.Cmd) (host.Cmd, error) {
	return s.lab.group(filepath.Join(strangersDir, s.Name)).in(s.lab.within(s.Name, cmd))
}
