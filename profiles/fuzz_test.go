package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzLoad wants of any file a cluster or a report, and no panic. Every mistake
// of the report has a place in the file, words and a hint.
func FuzzLoad(f *testing.F) {
	for _, folder := range []string{"testdata/bad", "testdata/good", "clusters", "."} {
		files, err := filepath.Glob(folder + "/*.yaml")
		if err != nil || len(files) == 0 {
			f.Fatalf("no profiles in %s: %v", folder, err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > maxProfile {
			return
		}
		c, err := load("testdata/bad/fuzz.yaml", data, environment("testdata"))
		if err == nil {
			wholeCluster(t, c)
			return
		}
		var report Report
		if !errors.As(err, &report) || len(report) == 0 || c != nil {
			t.Fatalf("got cluster %v and error %v, want a report alone", c, err)
		}
		for _, m := range report {
			if m.Line < 1 || m.Col < 1 || m.Message == "" || m.Hint == "" {
				t.Errorf("mistake without a place, words or a hint: %#v", m)
			}
		}
	})
}

// wholeCluster wants what every loaded cluster has.
func wholeCluster(t *testing.T, c *Cluster) {
	storage := 0
	for _, n := range c.Nodes {
		if n.Role == Storage {
			storage++
		}
		if n.Name == "" || n.WebPort == 0 || n.SSHPort == 0 || n.Role != Storage && n.Host == "" {
			t.Errorf("node without a name, a port or a host: %+v", n)
		}
	}
	if storage == 0 || storage%3 != 0 {
		t.Errorf("got %d storage nodes", storage)
	}
	if c.Name == "" || c.Base == (Base{}) || c.RootSize == 0 || c.User.PasswordHash.IsZero() && len(c.User.SSHKeys) == 0 {
		t.Errorf("got a cluster with parts missing: %+v", c)
	}
}
