package secrets

import (
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TunnelKey is what a node is known by in the tunnel: a WireGuard key pair, each half
// in base64 as wg(8) has it.
type TunnelKey struct{ Private, Public string }

// tunnelFile holds the private half; the public one is made from it.
const tunnelFile = "tunnel.key"

// TunnelKey returns a node's key pair for the tunnel, made once.
func (f Folder) TunnelKey(node string) (TunnelKey, error) {
	key, err := f.tunnelKey(node)
	if err != nil {
		return TunnelKey{}, fmt.Errorf("cannot get the tunnel key of %s: %w", node, err)
	}
	return key, nil
}

func (f Folder) tunnelKey(node string) (TunnelKey, error) {
	dir := filepath.Join(f.dir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return TunnelKey{}, err
	}
	path := filepath.Join(dir, tunnelFile)
	line, err := create(path, func() ([]byte, error) {
		var b [32]byte
		rand.Read(b[:])
		b[0] &= 248 // as wg genkey does (RFC 7748, 5): what the kernel shows later is the same key
		b[31] = b[31]&127 | 64
		return append(base64.StdEncoding.AppendEncode(nil, b[:]), '\n'), nil
	})
	if err != nil {
		return TunnelKey{}, err
	}
	private := strings.TrimSpace(string(line))
	raw, err := base64.StdEncoding.Strict().DecodeString(private)
	if err != nil || len(raw) != 32 {
		return TunnelKey{}, fmt.Errorf("%s is damaged; restore it from a backup, or remove it to give %s a new key", path, node)
	}
	key, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return TunnelKey{}, err
	}
	return TunnelKey{private, base64.StdEncoding.EncodeToString(key.PublicKey().Bytes())}, nil
}
