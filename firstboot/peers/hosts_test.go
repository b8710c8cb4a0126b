package peers

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func entry4(name, addr string) Entry { return Entry{netip.MustParseAddr(addr), name} }

func TestHosts(t *testing.T) {
	const head = "127.0.0.1\tlocalhost\n::1\t\tlocalhost ip6-localhost\n"
	const two = blockBegin + "\n192.168.2.5\tcluster01\n192.168.2.6\tcluster02\n" + blockEnd + "\n"
	both := []Entry{entry4("cluster01", "192.168.2.5"), entry4("cluster02", "192.168.2.6")}
	tests := []struct {
		name, text string
		block      []Entry
		want       string
	}{
		{"a fresh image", head + "127.0.1.1\tcluster01\n", both, head + two},
		{"the block is there", head + two, both, head + two},
		{"the block in the middle is another now", head + blockBegin + "\n10.0.0.1\tcluster09\n" + blockEnd + "\n192.168.2.1\trouter\n", both,
			head + two + "192.168.2.1\trouter\n"},
		{"a person's lines stay, comments and blanks too", head + "\n# mine\n192.168.2.1 router  # the box\n", both,
			head + "\n# mine\n192.168.2.1 router  # the box\n" + two},
		{"no newline at the end", head + "192.168.2.1\trouter", both, head + "192.168.2.1\trouter\n" + two},
		{"the own name among others", head + "127.0.1.1\tcluster01.lan cluster01 # Debian\n", both, head + "127.0.1.1\tcluster01.lan\n" + two},
		{"no address of its own", head + two, both[1:],
			head + "127.0.1.1\tcluster01\n" + blockBegin + "\n192.168.2.6\tcluster02\n" + blockEnd + "\n"},
		{"no address of its own, and the line is there", head + "127.0.1.1 cluster01\n" + two, nil, head + "127.0.1.1 cluster01\n"},
		{"a block without its end", head + blockBegin + "\n10.0.0.1\tcluster01\n192.168.2.1 router\n", both,
			head + two + "192.168.2.1 router\n"},
		{"two blocks", two + head + two, both, head + two},
		{"an end without a block", head + blockEnd + "\n", both, head + two},
		{"an IPv6 address", head, []Entry{entry4("cluster01", "fd00::5")}, head + blockBegin + "\nfd00::5\tcluster01\n" + blockEnd + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Hosts(tt.text, tt.block, "cluster01")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("hosts (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(got, Hosts(got, tt.block, "cluster01")); diff != "" {
				t.Errorf("the second time (-first +second):\n%s", diff)
			}
			if diff := cmp.Diff(tt.block, block(got), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("read back (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheAddressForHosts(t *testing.T) {
	tests := []struct {
		name   string
		all    []string
		prefer string
		want   string
	}{
		{"IPv4 before IPv6", []string{"fd00::1", "192.168.2.5"}, "", "192.168.2.5"},
		{"the one it had", []string{"192.168.2.5", "192.168.2.9"}, "192.168.2.9", "192.168.2.9"},
		{"another when that is gone", []string{"192.168.2.5"}, "192.168.2.9", "192.168.2.5"},
		{"no link-local IPv6", []string{"fe80::1", "fd00::1"}, "", "fd00::1"},
		{"IPv4 link-local, where there is no DHCP", []string{"fe80::1", "169.254.7.7"}, "", "169.254.7.7"},
		{"none", []string{"fe80::1"}, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var all []netip.Addr
			for _, a := range tt.all {
				all = append(all, netip.MustParseAddr(a))
			}
			prefer, _ := netip.ParseAddr(tt.prefer)
			got, ok := listed(all, prefer)
			if want, _ := netip.ParseAddr(tt.want); got != want || ok != want.IsValid() {
				t.Errorf("got %v, %v; want %q", got, ok, tt.want)
			}
		})
	}
}

func FuzzHosts(f *testing.F) {
	f.Add("127.0.0.1\tlocalhost\n127.0.1.1\tcluster01\n")
	f.Add(blockBegin + "\n1.2.3.4\tx\n" + blockEnd + "\n")
	f.Add(blockEnd + "\n" + blockBegin + "\n\x00\r\n#")
	f.Fuzz(func(t *testing.T, text string) {
		entries := []Entry{entry4("cluster01", "192.168.2.5"), entry4("cluster02", "fd00::2")}
		once := Hosts(text, entries, "cluster01")
		if twice := Hosts(once, entries, "cluster01"); twice != once {
			t.Errorf("the second time %q, the first %q", twice, once)
		}
	})
}
