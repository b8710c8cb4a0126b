package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cardIn makes something that looks like a node's card.
func cardIn(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(dir, upperDir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, brickFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestACardIsPutWhereThereIsNone(t *testing.T) {
	l, err := at(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	node := l.path(nodesDir, "cluster02")
	cardIn(t, node, "new")
	cardIn(t, l.drawer("cluster02", "old"), "old")
	if err := l.Insert("cluster02", "old"); err == nil || err.Error() != "cluster02 has a card; eject it first" {
		t.Errorf("two cards in one node: %v", err)
	}
	if err := l.scrap("cluster02"); err != nil {
		t.Fatal(err)
	}
	if err := l.Insert("cluster02", "old"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(node, brickFile)); string(got) != "old" {
		t.Errorf("the brick is %q, %v", got, err)
	}
	if _, err := os.Stat(filepath.Join(node, upperDir)); err != nil {
		t.Error(err)
	}
	if err := l.scrap("cluster02"); err != nil {
		t.Fatal(err)
	}
	if err := l.Insert("cluster02", "old"); err == nil || !strings.HasPrefix(err.Error(), "cannot put the card old into cluster02: ") {
		t.Errorf("a card that there is not: %v", err)
	}
}
