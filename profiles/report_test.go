package profiles

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAMistakePrintsItsPlaceThenItsHint(t *testing.T) {
	full := Mistake{"a/b.yaml", 3, 7, "nodes[1].role", "is missing", "add role: storage"}
	for _, c := range []struct {
		name string
		in   Mistake
		want string
	}{
		{"all of it", full, "a/b.yaml:3:7: nodes[1].role: is missing\n    hint: add role: storage"},
		{"no hint", Mistake{"b.yaml", 1, 1, "cluster", "is missing", ""}, "b.yaml:1:1: cluster: is missing"},
		{"no path", Mistake{"b.yaml", 1, 1, "", "the profile is empty", ""}, "b.yaml:1:1: the profile is empty"},
	} {
		if got := c.in.String(); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func TestAReportIsSortedByPlaceAndGoesToJSON(t *testing.T) {
	r := Report{
		{"p", 2, 1, "b", "second", ""},
		{"p", 10, 1, "d", "fourth", ""},
		{"p", 2, 5, "c", "third", ""},
		{"p", 2, 1, "a", "first", "do it"},
	}
	r.sort()
	want := "p:2:1: a: first\n    hint: do it\np:2:1: b: second\np:2:5: c: third\np:10:1: d: fourth"
	if diff := cmp.Diff(want, r.Error()); diff != "" {
		t.Errorf("text (-want +got):\n%s", diff)
	}
	got, err := json.Marshal(r[:2])
	if err != nil {
		t.Fatal(err)
	}
	want = `[{"file":"p","line":2,"col":1,"path":"a","message":"first","hint":"do it"},` +
		`{"file":"p","line":2,"col":1,"path":"b","message":"second"}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
}

func TestNearestForgivesTwoSlipsInALongWord(t *testing.T) {
	keys := []string{"name", "role", "web_port", "ssh_port"}
	for word, want := range map[string]string{
		"nmae": "name", "webport": "web_port", "Role": "role", "rol": "role", "sshprot": "ssh_port",
		"port": "", "x": "", "": "", "weight": "",
	} {
		if got := nearest(word, keys); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}
