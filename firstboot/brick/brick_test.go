package brick

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host/hosttest"
)

// bricks is a node with two bricks that differ in all the ways there are.
func bricks(t *testing.T) *hosttest.Host {
	return hosttest.New(t, map[string]string{
		"/a/.glusterfs/indices/xattrop/x": "one node's",
		"/a/index.html":                   "hello",
		"/a/dir/page.html":                "one",
		"/a/dir/link":                     "-> page.html",
		"/a/dir/.glusterfs":               "a person's own",
		"/a/only-here":                    "",
		"/a/thing":                        "a file",
		"/b/.glusterfs/health_check":      "another's",
		"/b/index.html":                   "hello",
		"/b/dir/page.html":                "two",
		"/b/dir/link":                     "-> other.html",
		"/b/dir/.glusterfs":               "a person's own",
		"/b/thing/":                       "",
		"/b/dir/only-there":               "",
	})
}

func list(t *testing.T, h *hosttest.Host, dir string) []File {
	t.Helper()
	var all []File
	if err := Walk(h.Files, dir, func(f File) error { all = append(all, f); return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWalkTellsEverythingInOrder(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/a/b/c": "hello", "/a/.glusterfs/x": "", "/a/.glusterfs-anonymous-inode-1/": "", "/a/d": "-> b", "/a/e/": ""})
	want := []File{
		{Path: "/b", Kind: "dir"},
		{"/b/c", "file", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"},
		{"/d", "link", "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d"},
		{Path: "/e", Kind: "dir"},
	}
	if diff := cmp.Diff(want, list(t, h, "/a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := Walk(h.Files, "/nowhere", nil); err == nil {
		t.Error("a brick that is not there is taken for an empty one")
	}
}

func TestDifferences(t *testing.T) {
	h := bricks(t)
	a, b := list(t, h, "/a"), list(t, h, "/b")
	want := []string{"/dir/link", "/dir/only-there", "/dir/page.html", "/only-here", "/thing"}
	for _, got := range [][]string{Differences(a, b), Differences(b, a)} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if got := Differences(a, a); got != nil {
		t.Errorf("a brick differs from itself in %v", got)
	}
}

// fetch gets the list of a brick over HTTP.
func fetch(t *testing.T, h *hosttest.Host, dir string) ([]File, error) {
	t.Helper()
	server := httptest.NewServer(Handler(h.Files, dir))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return Read(response.Body)
}

func TestAListIsServedAndRead(t *testing.T) {
	h := bricks(t)
	got, err := fetch(t, h, "/a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(list(t, h, "/a"), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAListThatBreaksOffIsNone(t *testing.T) {
	if got, err := fetch(t, bricks(t), "/nowhere"); err == nil {
		t.Errorf("a brick that is not there has the list %v", got)
	}
	for _, text := range []string{"", `{"path": "/a", "kind": "file"}`, `{"path": "/a", "ki`} {
		if _, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a whole list", text)
		}
	}
}
