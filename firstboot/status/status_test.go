package status

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"

	"github.com/google/go-cmp/cmp"
)

func files(t *testing.T) (*host.Files, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := host.OpenFiles(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, filepath.Join(dir, Path)
}

func TestReadGivesWhatWasWritten(t *testing.T) {
	f, path := files(t)
	want := Status{
		Cluster: "berries", Node: "cluster01", Role: "storage", Program: "v1", Starts: 2,
		Updated: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC),
		Steps: []Step{
			{Name: "identity", State: Done, Seconds: 0.1},
			{Name: "card", State: Failed, Seconds: 2, Error: "it is gone"},
		},
	}
	if err := Write(f, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o644 {
		t.Errorf("its mode is %v, want 0644", info.Mode())
	}
}

func TestNoStatusFileIsAFirstBoot(t *testing.T) {
	f, _ := files(t)
	got, err := Read(f)
	if diff := cmp.Diff(Status{}, got); diff != "" || err != nil {
		t.Errorf("error %v, status (-want +got):\n%s", err, diff)
	}
}

func TestABrokenStatusFileIsSaidAndCanBeReplaced(t *testing.T) {
	f, path := files(t)
	if err := Write(f, Status{Node: "cluster01"}); err != nil {
		t.Fatal(err)
	}
	// What a filesystem may leave of a file after a power cut.
	if err := os.WriteFile(path, make([]byte, 40), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := Read(f)
	if want := "status file /var/lib/berry/status.json cannot be read: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if diff := cmp.Diff(Status{}, got); diff != "" {
		t.Errorf("a status beside the error:\n%s", diff)
	}
	if err := Write(f, Status{Node: "cluster01"}); err != nil {
		t.Errorf("it cannot be replaced: %v", err)
	}
}

func TestWhatAReadyNodeLacks(t *testing.T) {
	steps := []Step{{Name: "web", State: Done}, {Name: "ports", State: Failed, Error: "there is no router"}, {Name: "tunnel", State: Done, Note: "balancer does not answer"}}
	for i, want := range []string{"ready", "ready, but: ports: there is no router", "ready, but: ports: there is no router; tunnel: balancer does not answer"} {
		if got := (Status{Ready: true, Steps: steps[:i+1]}).Summary(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
