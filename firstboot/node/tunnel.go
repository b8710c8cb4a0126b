package node

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Tunnel is the WireGuard network that joins the nodes of several houses. All call the
// hub, which passes on what they send each other. Read by the step tunnel, and, for
// the addresses, by the peer service.
type Tunnel struct {
	Network string `json:"network"`          // such as 10.83.0.0/24
	Hub     string `json:"hub"`              // the node that the others call
	Host    string `json:"host"`             // where: a name in the DNS, or an IP address
	Port    int    `json:"port"`             // UDP, there
	Key     string `json:"key" secret:"yes"` // this node's own, in base64: a secret
	// Ends are all nodes, this one among them, in the profile's order.
	Ends []End `json:"ends"`
}

// End is a node's end of the tunnel.
type End struct {
	Name    string `json:"name"`
	Address string `json:"address"` // in Network
	Key     string `json:"key"`     // the public half of its key, in base64
}

// End returns a node's end.
func (t Tunnel) End(name string) (End, bool) {
	i := slices.IndexFunc(t.Ends, func(e End) bool { return e.Name == name })
	if i < 0 {
		return End{}, false
	}
	return t.Ends[i], true
}

// validate never repeats a private key.
func (f File) validateTunnel(t Tunnel) error {
	network, err := netip.ParsePrefix(t.Network)
	switch {
	case err != nil || !network.Addr().Is4() || network != network.Masked():
		return fmt.Errorf("network %q is not an IPv4 network", t.Network)
	case !validHost(t.Host):
		return fmt.Errorf("host %q is neither a name in the DNS nor an IP address", t.Host)
	case !validPort(t.Port):
		return fmt.Errorf("port %d is not a UDP port", t.Port)
	}
	if err := f.validateEnds(t.Ends, network); err != nil {
		return fmt.Errorf("ends: %w", err)
	}
	if _, ok := t.End(t.Hub); !ok {
		return fmt.Errorf("ends: the hub, %q, is not among them", t.Hub)
	}
	own, ok := t.End(f.Name)
	if !ok {
		return fmt.Errorf("ends: %s itself is not among them", f.Name)
	}
	private, err := tunnelKey(t.Key)
	if err != nil {
		return errors.New("the key is not a private key of WireGuard")
	}
	if key, err := ecdh.X25519().NewPrivateKey(private); err != nil || base64.StdEncoding.EncodeToString(key.PublicKey().Bytes()) != own.Key {
		return fmt.Errorf("ends: the key of %s is not the public half of its own", f.Name)
	}
	return nil
}

func (f File) validateEnds(list []End, network netip.Prefix) error {
	seen := map[string]bool{}
	for _, e := range list {
		a, err := netip.ParseAddr(e.Address)
		_, keyErr := tunnelKey(e.Key)
		switch {
		case !slices.ContainsFunc(f.Nodes, func(n Node) bool { return n.Name == e.Name }):
			return fmt.Errorf("%q is no node of the cluster", e.Name)
		case err != nil || !network.Contains(a):
			return fmt.Errorf("address %q of %s is not in %s", e.Address, e.Name, network)
		case keyErr != nil:
			return fmt.Errorf("the key of %s is not a public key of WireGuard", e.Name)
		case seen[e.Name] || seen[e.Address] || seen[e.Key]:
			return fmt.Errorf("the name, the address or the key of %s is listed twice", e.Name)
		}
		seen[e.Name], seen[e.Address], seen[e.Key] = true, true, true
	}
	return nil
}

// tunnelKey reads a key as wg(8) writes it, which is the only way to write one: keys are
// compared as text.
func tunnelKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err == nil && (len(key) != 32 || base64.StdEncoding.EncodeToString(key) != text) {
		err = errors.New("it is not 32 bytes in base64")
	}
	return key, err
}
