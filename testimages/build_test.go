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

// build builds the node's image, as a person would: a copy of the example
// profile with a key and a password beside it, and one command. It returns the
// image and how to log in to the node.
//
// BERRY_BIN names a berry to use instead of one built here (which has
// berry-firstboot in it only after "make build"), BERRY_BASE the base image
// instead of a stand-in made here.
func build(t *testing.T) (image string, login qemu.Login) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	dir := t.TempDir()
	command(t, exec.CommandContext(ctx, "cp", "../profiles/clusters/berries.yaml", dir))
	key := filepath.Join(dir, "id")
	command(t, exec.CommandContext(ctx, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key))
	if err := os.WriteFile(filepath.Join(dir, "ddns-password"), []byte("not a real one\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, berry(ctx, t), "build", "berries.yaml", "-o", dir, "--base", base(ctx, t), node)
	cmd.Dir = dir
	command(t, cmd)
	hostKey, err := os.ReadFile(filepath.Join(dir, "berries.secrets", node, "ssh_host_ed25519_key.pub"))
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, node+".img"), qemu.Login{User: "pi", Key: key, HostKey: string(hostKey)}
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
