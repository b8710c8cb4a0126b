//go:build qemu

package testimages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"berries/testimages/qemu"
)

// buildLimit is how long building the stand-in and the image may take.
const buildLimit = 20 * time.Minute

// login is how to log in to a node whose images are in a folder.
func login(t *testing.T, dir, node string) qemu.Login {
	t.Helper()
	pub, err := filepath.Glob(filepath.Join(dir, "*.secrets", node, "ssh_host_ed25519_key.pub"))
	if err != nil || len(pub) != 1 {
		t.Fatalf("%s has the host keys %q: %v", node, pub, err)
	}
	hostKey, err := os.ReadFile(pub[0])
	if err != nil {
		t.Fatal(err)
	}
	return qemu.Login{User: "pi", Key: filepath.Join(dir, "id"), HostKey: string(hostKey)}
}

// build builds the images of nodes, as a person would: a copy of the example
// profile with a key and a password beside it, and one command. It returns the
// images' folder.
//
// BERRY_BIN names a berry to use instead of one built here (which has
// berry-firstboot in it only after "make build"), BERRY_BASE the base image
// instead of a stand-in made here.
func build(t *testing.T, profile string, nodes ...string) (dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	dir = t.TempDir()
	command(t, exec.CommandContext(ctx, "cp", "../profiles/clusters/"+profile, dir))
	command(t, exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(dir, "id")))
	if err := os.WriteFile(filepath.Join(dir, "ddns-password"), []byte("not a real one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, berry(ctx, t), append([]string{"build", profile, "-o", dir, "--base", base(ctx, t)}, nodes...)...)
	cmd.Dir = dir
	command(t, cmd)
	return dir
}

// berry is the program under test.
func berry(ctx context.Context, t *testing.T) string {
	t.Helper()
	if file := os.Getenv("BERRY_BIN"); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "berry")
	command(t, exec.CommandContext(ctx, "go", "build", "-o", file, "../builder"))
	return file
}

// base is the image to build from.
func base(ctx context.Context, t *testing.T) string {
	t.Helper()
	if file := os.Getenv("BERRY_BASE"); file != "" {
		return file
	}
	file := filepath.Join(t.TempDir(), "standin.img")
	command(t, exec.CommandContext(ctx, "go", "run", "./standin", "-arch", "arm64", "-o", file))
	return file
}

// command runs a command and shows what it prints when it fails.
func command(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}
