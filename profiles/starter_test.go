package profiles

import (
	"bytes"
	"errors"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gopkg.in/yaml.v3"
)

func TestTheStarterIsTheDefaultCluster(t *testing.T) {
	stage(t, absolute(t, "clusters"))
	write(t, "starter.yaml", string(Commented()), 0o644)
	got, err := Load("starter.yaml", Env{})
	if err != nil {
		t.Fatal(err)
	}
	write(t, "bare.yaml", `cluster: berries
user: {ssh_key_files: [id.pub]}
ddns: {server: dyndns.example.net/nic/update, login: me, password_file: ddns-password, host: berries.example.net}
`, 0o644)
	want, err := Load("bare.yaml", Env{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Errorf("the starter differs from a profile of defaults (-want +got):\n%s", diff)
	}
}

// commentedKey is a line that shows a key: its # stands right before the key,
// or before the two spaces or more of an indented one. Prose has one space.
var commentedKey = regexp.MustCompile(`(?m)^( *)#((?:  +)?[a-z-])`)

// uncommented is the starter with every key that it shows taken in.
func uncommented() []byte { return commentedKey.ReplaceAll(Commented(), []byte("$1$2")) }

func TestTheStarterShowsEveryKey(t *testing.T) {
	var document yaml.Node
	if err := yaml.Unmarshal(uncommented(), &document); err != nil {
		t.Fatal(err)
	}
	shown := map[string]map[string]bool{}
	collect(document.Content[0], "", shown)
	for part, keys := range schema {
		if diff := cmp.Diff(slices.Sorted(slices.Values(keys)), slices.Sorted(maps.Keys(shown[part]))); diff != "" {
			t.Errorf("part %q (-schema +starter):\n%s", part, diff)
		}
	}
}

// collect notes the keys below n by the part of the schema they are in.
func collect(n *yaml.Node, part string, shown map[string]map[string]bool) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, child := range n.Content {
			collect(child, strings.TrimSuffix(part, "s"), shown) // nodes: of each a node
		}
	case yaml.MappingNode:
		if shown[part] == nil {
			shown[part] = map[string]bool{}
		}
		for i := 0; i < len(n.Content); i += 2 {
			shown[part][n.Content[i].Value] = true
			collect(n.Content[i+1], n.Content[i].Value, shown)
		}
	}
}

// What the uncommented starter still gets wrong is what cannot be right at
// once: secrets given in two ways, examples of hashes and of files.
func TestTheStarterUncommentedIsWrongOnlyWhereItMustBe(t *testing.T) {
	stage(t, absolute(t, "clusters"))
	write(t, "starter.yaml", string(uncommented()), 0o644)
	_, err := Load("starter.yaml", Env{})
	var report Report
	if !errors.As(err, &report) {
		t.Fatalf("got %v, want a report", err)
	}
	var got []string
	for _, m := range report {
		got = append(got, m.Path)
	}
	want := []string{"user.password_hash", "user.password_hash_file", "user.password_hash_env",
		"wifi.psk_env", "ddns.password_env", "nodes[4].https.certificate_file"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s\n%v", diff, report)
	}
}

func TestEachCallGetsAStarterOfItsOwn(t *testing.T) {
	Commented()[0] = 'x'
	if !bytes.HasPrefix(Commented(), []byte("# A cluster")) {
		t.Error("the starter can be changed from outside")
	}
}
