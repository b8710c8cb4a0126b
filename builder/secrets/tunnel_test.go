package secrets

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestTunnelKeysAreMadeOnceAndNoTwoNodesShareOne(t *testing.T) {
	f, _ := open(t)
	first, again, other := must[TunnelKey](t)(f.TunnelKey("cluster01")), must[TunnelKey](t)(f.TunnelKey("cluster01")), must[TunnelKey](t)(f.TunnelKey("cluster02"))
	if first != again {
		t.Error("the second build got another key")
	}
	if first.Private == other.Private || first.Public == other.Public || first.Private == first.Public {
		t.Error("two nodes share a key")
	}
}

// WireGuard's own program must find the public half that we wrote.
func TestWireGuardReadsTheKeys(t *testing.T) {
	f, _ := open(t)
	key := must[TunnelKey](t)(f.TunnelKey("cluster01"))
	cmd := exec.Command("wg", "pubkey")
	cmd.Stdin = strings.NewReader(key.Private + "\n")
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != key.Public {
		t.Errorf("wg pubkey says %q, %v, want %q", out, err, key.Public)
	}
}

func TestADamagedTunnelKeyIsAnErrorThatDoesNotShowIt(t *testing.T) {
	f, dir := open(t)
	key := must[TunnelKey](t)(f.TunnelKey("cluster01"))
	path := filepath.Join(dir, "cluster01", "tunnel.key")
	for _, text := range []string{"", key.Private[:40] + "\n", key.Private + key.Private, "?" + key.Private[1:]} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := f.TunnelKey("cluster01")
		if err == nil || !strings.Contains(err.Error(), path+" is damaged") || strings.Contains(err.Error(), key.Private[1:40]) {
			t.Errorf("%d bytes: got %v", len(text), err)
		}
	}
}
