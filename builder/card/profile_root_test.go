//go:build root && linux

package card_test

import (
	"os"
	"path/filepath"
	"testing"

	"berries/builder/apt/apttest"
	"berries/builder/disk"
	"berries/builder/disk/disktest"
)

// profileOf puts the example cluster and what it names into a folder.
func profileOf(t *testing.T, dir string) string {
	t.Helper()
	for to, from := range map[string]string{"berries.yaml": "../../profiles/clusters/berries.yaml", "id.pub": "../cli/testdata/id.pub"} {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if to == "berries.yaml" {
			data = append(data, "root_size: 2GiB\n"...)
		}
		if err := os.WriteFile(filepath.Join(dir, to), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "ddns-password"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "berries.yaml")
}

// What flash builds for a card is what build makes, and it is on the card only.
func TestFlashBuildsWhatItWrites(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	profile, out := profileOf(t, dir), filepath.Join(dir, "out")
	base := disktest.New(t, disktest.Options{Files: apttest.Article(t).Sources()})
	if code, said := berry("build", profile, "balancer", "-o", out, "--base", base, "--cache", cache); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	want, err := disk.ReadBmap(filepath.Join(out, "balancer.img.bmap"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(out); err != nil {
		t.Fatal(err)
	}
	device, _ := blank(t, 6<<30)
	code, said := berry("flash", "balancer", device, "--profile", profile, "--base", base, "--cache", cache, "--allow-fixed", "--yes")
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	t.Log(said)
	if err := held(t, want, device); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "flash*", "*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}
