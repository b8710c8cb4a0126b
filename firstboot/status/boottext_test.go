package status

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func addresses(list ...string) (all []netip.Addr) {
	for _, a := range list {
		all = append(all, netip.MustParseAddr(a))
	}
	return all
}

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.Local)

func TestWhatAPersonReadsOnAnyPC(t *testing.T) {
	b := BootText{Who: "cluster01, storage node of berries", Words: "step 5/10 peers: waiting for cluster02", Addresses: addresses("192.168.2.5", "fe80::1", "fd00::5")}
	const want = `cluster01, storage node of berries

State:     step 5/10 peers: waiting for cluster02
Addresses: 192.168.2.5, fd00::5
Since:     2026-11-27 12:00:00 by the node's clock, which is wrong until it has found a network

What to do: nothing, where it waits for something that is to come: it goes on by itself, and tries again what has failed. If that stays so, look after what it says above. More is said by: sudo journalctl -u berry-firstboot, typed on the node.
`
	got := string(b.file(noon))
	if diff := cmp.Diff(want, strings.TrimRight(strings.ReplaceAll(got, "\r\n", "\n"), "\n ")+"\n"); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Count(got, "\n") != strings.Count(got, "\r\n") {
		t.Error("there are line ends that old editors do not know")
	}
}

func TestTheFileHasOneSizeAndPlainCharacters(t *testing.T) {
	many := addresses("192.168.2.5", "2001:db8:1111:2222:3333:4444:5555:6666", "2001:db8:1111:2222:3333:4444:5555:6667", "2001:db8:1111:2222:3333:4444:5555:6668",
		"2001:db8:1111:2222:3333:4444:5555:6669", "2001:db8:1111:2222:3333:4444:5555:6660", "2001:db8:1111:2222:3333:4444:5555:6661")
	long := strings.Repeat("x", 63)
	for _, b := range []BootText{
		{Who: "n1", Words: "ready"},
		{Who: long + ", storage node of " + long, Words: strings.Repeat("ä\n", 3000), Addresses: many},
	} {
		got := string(b.file(noon))
		if len(got) != bootSize {
			t.Errorf("%.20s has %d bytes, want %d", b.Words, len(got), bootSize)
		}
		if i := strings.IndexFunc(got, func(r rune) bool { return r != '\r' && r != '\n' && (r < ' ' || r > '~') }); i >= 0 {
			t.Errorf("%.20s has the character %q", b.Words, got[i:i+1])
		}
		if len(Unstarted(b.Who)) != len(got) {
			t.Errorf("before the first run it has %d bytes, and then %d", len(Unstarted(b.Who)), len(got))
		}
		if !strings.Contains(got, "What to do: ") || !b.says(got) {
			t.Errorf("it does not say all:\n%s", got)
		}
	}
}

func TestAdvice(t *testing.T) {
	here := addresses("192.168.2.5")
	for _, tt := range []struct {
		of   BootText
		want string
	}{
		{BootText{Hopeless: true}, "build the image again"},
		{BootText{Addresses: addresses("fe80::1", "169.254.7.7")}, "the node has no network"},
		{BootText{Ready: true, Addresses: here}, "nothing. "},
		{BootText{Addresses: here}, "nothing, where it waits"},
	} {
		if got := tt.of.advice(); !strings.HasPrefix(got, tt.want) {
			t.Errorf("%+v: got %s, want %s", tt.of, got, tt.want)
		}
	}
}

func TestTheSameIsTheSameAtAnyTime(t *testing.T) {
	b := BootText{Who: "n1", Words: "ready"}
	file := string(b.file(noon))
	for _, tt := range []struct {
		name string
		text BootText
		file string
		want bool
	}{
		{"at another time", b, string(b.file(noon.Add(time.Hour))), true},
		{"with other words", BootText{Who: "n1", Words: "starting"}, file, false},
		{"with another address", BootText{Who: "n1", Words: "ready", Addresses: addresses("192.168.2.5")}, file, false},
		{"of an empty file", b, "", false},
		{"of half a file", b, file[:40], false},
	} {
		if got := tt.text.says(tt.file); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
