package peers

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk is a table at a time that the test sets.
type desk struct {
	*table
	now time.Time
}

func newDesk(known ...string) *desk {
	self := Self{Name: "n1"}
	for _, name := range known {
		self.Known = append(self.Known, Known{Name: name})
	}
	return &desk{newTable(self), time.Unix(1000, 0)}
}

func at(addr string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(addr), Port) }

// asked are the addresses that are due, which get the answers in say: "" fails,
// anything else are the addresses that the node says are its own.
func (d *desk) asked(say map[string]string) []string {
	var list []string
	for _, q := range d.due(d.now, len(d.nodes)*maxRoutes) {
		a := q.at.Addr().String()
		list = append(list, a)
		if own := say[a]; own != "" {
			ans := answer{Role: "storage"}
			for _, a := range strings.Fields(own) {
				ans.Addresses = append(ans.Addresses, netip.MustParseAddr(a))
			}
			d.answered(q, ans, d.now)
		} else {
			d.failed(q, d.now)
		}
	}
	return list
}

func (d *desk) addresses(name string) []string {
	var list []string
	for _, p := range d.peers() {
		for _, a := range p.Addresses {
			if p.Name == name {
				list = append(list, a.String())
			}
		}
	}
	return list
}

func TestAHintIsNoPeer(t *testing.T) {
	d := newDesk("n2")
	d.hint("n2", at("10.0.0.2"), d.now)
	if d.asked(nil); len(d.peers()) != 0 {
		t.Errorf("peers: %v", d.peers())
	}
	d.now = d.now.Add(time.Minute)
	d.asked(map[string]string{"10.0.0.2": "10.0.0.2"})
	if diff := cmp.Diff([]string{"10.0.0.2"}, d.addresses("n2")); diff != "" {
		t.Errorf("after the proof (-want +got):\n%s", diff)
	}
}

func TestHintsThatCannotBe(t *testing.T) {
	d := newDesk()
	for _, a := range []string{"0.0.0.0", "127.0.0.1", "::1", "::", "224.0.0.251", "ff02::1", "fe80::1"} {
		if d.hint("n2", at(a), d.now) {
			t.Errorf("%s is taken", a)
		}
	}
	if d.hint("n1", at("10.0.0.1"), d.now) {
		t.Error("the node looks for itself")
	}
	if d.hint("n2", netip.AddrPortFrom(netip.MustParseAddr("10.0.0.2"), 0), d.now) {
		t.Error("port 0 is taken")
	}
}

// A peer's address changes: the new one takes over as soon as it shows, since the
// peer does not name the old one any more.
func TestAnAddressChanges(t *testing.T) {
	d := newDesk("n2")
	d.hint("n2", at("10.0.0.2"), d.now)
	d.asked(map[string]string{"10.0.0.2": "10.0.0.2"})
	d.now = d.now.Add(time.Second)
	d.hint("n2", at("10.0.0.9"), d.now)
	d.asked(map[string]string{"10.0.0.9": "10.0.0.9"})
	if diff := cmp.Diff([]string{"10.0.0.9"}, d.addresses("n2")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Through a tunnel or a router a node is reached at an address that it does not
// have.
func TestAnAddressThatTheNodeDoesNotHave(t *testing.T) {
	d := newDesk("n2")
	d.hint("n2", at("10.9.0.2"), d.now)
	say := map[string]string{"10.9.0.2": "192.168.7.2"}
	for range 20 {
		d.asked(say)
		if diff := cmp.Diff([]string{"10.9.0.2"}, d.addresses("n2")); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		d.now = d.now.Add(time.Second)
	}
}

func TestTheAddressInUseStaysWhileItAnswers(t *testing.T) {
	d := newDesk("n2")
	own := "10.0.0.7 10.0.0.2 fd00::2 fe80::2"
	say := map[string]string{"10.0.0.7": own, "10.0.0.2": own, "fd00::2": own, "fe80::2%eth0": own}
	for _, a := range []string{"fe80::2%eth0", "fd00::2", "10.0.0.7", "10.0.0.2"} {
		d.hint("n2", at(a), d.now)
		d.asked(say)
	}
	if diff := cmp.Diff([]string{"10.0.0.7", "10.0.0.2", "fd00::2", "fe80::2%eth0"}, d.addresses("n2")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOneThatIsGoneIsAskedEverMoreRarely(t *testing.T) {
	d := newDesk("n2")
	d.hint("n2", at("10.0.0.2"), d.now)
	began, times := d.now, []time.Duration{}
	for d.now.Sub(began) < 2*time.Minute {
		if len(d.asked(nil)) > 0 {
			times = append(times, d.now.Sub(began))
		}
		d.now = d.now.Add(time.Second)
	}
	want := []time.Duration{0, 1, 3, 7, 15, 31, 61, 91}
	for i := range want {
		want[i] *= time.Second
	}
	if diff := cmp.Diff(want, times); diff != "" {
		t.Errorf("asked at (-want +got):\n%s", diff)
	}
	if d.hint("n2", at("10.0.0.2"), d.now); len(d.asked(nil)) != 1 {
		t.Error("a new hint does not bring it back")
	}
}

// However many hints strangers make, and however often, what is remembered and
// asked has an end, a proven address stays, and a node of the profile has a place.
func TestAFloodOfHints(t *testing.T) {
	d := newDesk("n2")
	d.hint("n2", at("10.0.0.2"), d.now)
	say := map[string]string{"10.0.0.2": "10.0.0.2", "10.0.0.3": "10.0.0.3"}
	d.asked(say)
	for i := range 1000 {
		d.hint("n2", at(fmt.Sprintf("10.9.%d.%d", i/200, i%200+1)), d.now)
		d.hint(fmt.Sprintf("x%d", i), at("10.9.9.9"), d.now)
	}
	if n := len(d.nodes); n != maxNodes {
		t.Errorf("%d nodes are remembered", n)
	}
	if n := len(d.nodes["n2"].routes); n != maxRoutes {
		t.Errorf("%d addresses are remembered", n)
	}
	d.asked(say)
	if diff := cmp.Diff([]string{"10.0.0.2"}, d.addresses("n2")); diff != "" {
		t.Errorf("n2 (-want +got):\n%s", diff)
	}
	asked := 0
	for range 100 { // the same lie a hundred times in a second
		d.hint("x1", at("10.9.9.9"), d.now)
		d.now = d.now.Add(10 * time.Millisecond)
		asked += len(d.due(d.now, maxRoutes))
	}
	if asked > 2*(maxNodes+maxRoutes) {
		t.Errorf("%d questions in a second", asked)
	}

	full := newDesk("late")
	for i := range 1000 {
		full.hint(fmt.Sprintf("x%d", i), at("10.9.9.9"), full.now)
	}
	if !full.hint("late", at("10.0.0.3"), full.now) {
		t.Error("strangers took the place of a node of the profile")
	}
}

func TestOfManyPeersEachIsAskedLessOften(t *testing.T) {
	for _, tt := range []struct{ peers, least, most int }{
		{4, 4 * 19, 4 * 20}, // every three seconds of a minute
		{47, 47 * 4, 47 * 6},
	} {
		d := newDesk()
		say := map[string]string{}
		for i := range tt.peers {
			a := fmt.Sprintf("10.0.0.%d", i+2)
			say[a] = a
			d.hint(fmt.Sprintf("p%d", i), at(a), d.now)
		}
		for range 10 {
			d.asked(say)
			d.now = d.now.Add(time.Second)
		}
		asked := 0
		for range 60 {
			asked += len(d.asked(say))
			d.now = d.now.Add(time.Second)
		}
		if asked < tt.least || asked > tt.most {
			t.Errorf("%d peers are asked %d times a minute, want %d to %d times", tt.peers, asked, tt.least, tt.most)
		}
	}
}

func TestAPeerThatGetsOnIsAskedMoreOften(t *testing.T) {
	d := newDesk()
	d.hint("n2", at("10.0.0.2"), d.now)
	asked := map[bool]int{}
	for second := range 60 {
		for _, q := range d.due(d.now, maxRoutes) {
			asked[second <= 30]++
			d.answered(q, answer{Role: "storage", State: State{Step: "pool"}}, d.now)
		}
		d.now = d.now.Add(time.Second)
	}
	if asked[true] < 29 || asked[true] > 31 || asked[false] < 9 || asked[false] > 10 {
		t.Errorf("asked %d times in half a minute after something new, and %d times in the next", asked[true], asked[false])
	}
}
