package cli

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"berries/builder/apt/apttest"
	"berries/builder/disk/disktest"
)

// A builder killed at any moment (kill -9, power cut, out of memory) leaves no
// half image under a final name, and the next build succeeds.
func TestKilledAtRandomMoments(t *testing.T) {
	const kills = 20
	dir := t.TempDir()
	profile, base := exampleProfile(t, dir), disktest.New(t, disktest.Options{Files: apttest.Article(t).Sources()})
	build := func() *exec.Cmd {
		c := exec.Command("berry", "build", profile, "cluster01", "balancer", "-o", filepath.Join(dir, "out"), "--base", base)
		c.Env = append(os.Environ(), "HOME="+dir)
		return c
	}
	began := time.Now()
	if out, err := build().CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	whole := time.Since(began)
	want, finished := sums(t, dir), contents(t, dir)

	random := rand.New(rand.NewPCG(2, 0)) // the same moments in every run, as far as time goes
	for range kills {
		if err := os.RemoveAll(filepath.Join(dir, "out")); err != nil {
			t.Fatal(err)
		}
		c := build()
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		moment := time.Duration(random.Int64N(int64(whole)))
		time.Sleep(moment)
		c.Process.Kill()
		err := c.Wait()
		checkFinished(t, dir, finished, moment)
		t.Logf("killed after %v of %v (%v): %d images finished", moment.Round(time.Millisecond),
			whole.Round(time.Millisecond), err, len(images(t, dir)))
	}
	if out, err := build().CombinedOutput(); err != nil {
		t.Fatalf("the build after the kills: %v\n%s", err, out)
	}
	if got := sums(t, dir); got != want {
		t.Errorf("the build after the kills gave other bytes:\n got %s\nwant %s", got, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "out", ".*partial*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// checkFinished makes sure that every image under a final name is whole.
func checkFinished(t *testing.T, dir string, want map[string][32]byte, moment time.Duration) {
	t.Helper()
	for image, got := range contents(t, dir) {
		if got != want[image] {
			t.Errorf("killed after %v: %s is there and is not whole", moment, image)
		}
	}
}

// contents are what the finished images hold.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	all := map[string][32]byte{}
	for _, image := range images(t, dir) {
		all[image] = disktest.Contents(t, image)
	}
	return all
}

func images(t *testing.T, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "out", "*.img"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// sums is what the .sha256 files of a finished build say.
func sums(t *testing.T, dir string) string {
	t.Helper()
	all := ""
	for _, image := range images(t, dir) {
		line, err := os.ReadFile(image + ".sha256")
		if err != nil {
			t.Fatal(err)
		}
		all += string(line)
	}
	return all
}

// exampleProfile puts the example cluster and what it names into dir. Its images are small,
// for every byte of them is hashed, the empty ones too.
func exampleProfile(t *testing.T, dir string) string {
	t.Helper()
	for to, from := range map[string]string{
		"berries.yaml": "../../profiles/clusters/berries.yaml",
		"id.pub":       "testdata/id.pub",
	} {
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
