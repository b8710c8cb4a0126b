package cards

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
)

func open(t *testing.T, h *hosttest.Host) *Book {
	t.Helper()
	b, err := Open(h.Files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestABookIsBegunOnceAndKept(t *testing.T) {
	h := hosttest.New(t, nil)
	first := open(t, h)
	if first.Own() == "" || len(first.Present()) != 0 {
		t.Errorf("a new book says %q, %v", first.Own(), first.Present())
	}
	if err := first.Replace("cluster01", first.Own()); err != nil {
		t.Fatal(err)
	}
	again := open(t, h)
	if again.Own() != first.Own() {
		t.Errorf("the card was %s and is %s", first.Own(), again.Own())
	}
	if diff := cmp.Diff(map[string]Entry{"cluster01": {first.Own(), 1}}, again.Present()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADamagedBookIsBegunAnew(t *testing.T) {
	for _, text := range []string{"", "{", "{}", `{"own": "", "present": {}}`, "\x00\x00"} {
		h := hosttest.New(t, map[string]string{Path: text})
		if b := open(t, h); b.Own() == "" || b.Replace("cluster01", "x") != nil {
			t.Errorf("%q: the book has the id %q", text, b.Own())
		}
	}
	h := hosttest.New(t, map[string]string{Path: `{"own": "abc"}`})
	if b := open(t, h); b.Own() != "abc" || b.Replace("cluster01", "x") != nil {
		t.Errorf("a book without entries has the id %q", b.Own())
	}
}

func TestTheLaterEntryCounts(t *testing.T) {
	b := open(t, hosttest.New(t, nil))
	for _, learn := range []map[string]Entry{
		{"cluster01": {"a", 1}, "cluster02": {"b", 2}},
		{"cluster01": {"c", 2}, "cluster02": {"d", 1}, "cluster03": {"", 7}},
		nil,
	} {
		if err := b.Learn(learn); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time it is that already
		if err := b.Replace("cluster02", "e"); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]Entry{"cluster01": {"c", 2}, "cluster02": {"e", 3}}
	if diff := cmp.Diff(want, b.Present()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	b.Present()["cluster01"] = Entry{}
	if diff := cmp.Diff(want, b.Present()); diff != "" {
		t.Errorf("what was given out is the book itself:\n%s", diff)
	}
}
