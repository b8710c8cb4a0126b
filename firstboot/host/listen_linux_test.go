package host

import (
	"net/netip"
	"testing"
)

// 192.0.2.0/24 is nobody's (RFC 5737), as the tunnel's address is before its step.
func TestListenTakesAnAddressThatIsToCome(t *testing.T) {
	h, err := New(t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Files.Close()
	listener, err := h.Listen(t.Context(), netip.MustParseAddrPort("192.0.2.7:0"))
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
}
