package secrets

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T) (Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "berries.secrets")
	f, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func keys(t *testing.T, f Folder, node string) []HostKey {
	t.Helper()
	k, err := f.HostKeys(node)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestHostKeysAreMadeOnceAndNoTwoNodesShareOne(t *testing.T) {
	f, _ := open(t)
	first, again, other := keys(t, f, "cluster01"), keys(t, f, "cluster01"), keys(t, f, "cluster02")
	for i := range first {
		if !bytes.Equal(first[i].Private, again[i].Private) || !bytes.Equal(first[i].Public, again[i].Public) {
			t.Errorf("%s: the second build got another key", first[i].Name)
		}
		if bytes.Equal(first[i].Public, other[i].Public) {
			t.Errorf("%s: two nodes share a key", first[i].Name)
		}
	}
}

func TestKeysOfGeoReplicationAreMadeOnceAndAreNobodyElses(t *testing.T) {
	f, dir := open(t)
	seen := map[string]string{}
	for _, node := range []string{"cluster01", "cluster02"} {
		first, again := must[GeoRepKeys](t)(f.GeoRepKeys(node)), must[GeoRepKeys](t)(f.GeoRepKeys(node))
		for name, k := range map[string][2]HostKey{"session": {first.Session, again.Session}, "tar": {first.Tar, again.Tar}} {
			if !bytes.Equal(k[0].Private, k[1].Private) {
				t.Errorf("the %s key of %s: the second build got another", name, node)
			}
			if other := seen[k[0].Line()]; other != "" {
				t.Errorf("%s is also the %s key of %s", other, name, node)
			}
			seen[k[0].Line()] = name + " key of " + node
			out, err := exec.Command("ssh-keygen", "-y", "-f", filepath.Join(dir, node, k[0].Name)).CombinedOutput()
			if err != nil || !strings.HasPrefix(string(out), k[0].Line()+" ") {
				t.Errorf("ssh-keygen says %q (%v), we say %q", out, err, k[0].Line())
			}
		}
	}
}

func TestTwoBuildsAtOnceGetTheSameKeys(t *testing.T) {
	f, _ := open(t)
	var got [4][]HostKey
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() { got[i], _ = f.HostKeys("cluster01") })
	}
	wg.Wait()
	for i := range got {
		for k := range got[0] {
			if len(got[i]) != len(got[0]) || !bytes.Equal(got[i][k].Private, got[0][k].Private) {
				t.Fatalf("build %d got other keys than build 0", i)
			}
		}
	}
}

// OpenSSH itself reads each private key and must find the public half we wrote.
func TestOpenSSHReadsTheKeys(t *testing.T) {
	f, dir := open(t)
	for _, k := range keys(t, f, "cluster01") {
		out, err := exec.Command("ssh-keygen", "-y", "-f", filepath.Join(dir, "cluster01", k.Name)).CombinedOutput()
		if err != nil {
			t.Fatalf("ssh-keygen -y %s: %v: %s", k.Name, err, out)
		}
		if got, want := strings.Fields(string(out))[:2], strings.Fields(string(k.Public))[:2]; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%s: ssh-keygen says %q, the .pub file %q", k.Name, got, want)
		}
	}
}

func TestNobodyElseMayRead(t *testing.T) {
	f, dir := open(t)
	keys(t, f, "cluster01")
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAFolderThatOthersMayReadIsRefused(t *testing.T) {
	_, dir := open(t)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir)
	if err == nil || !strings.Contains(err.Error(), "chmod 700") {
		t.Errorf("got %v, want an error that says what to type", err)
	}
}

func TestADamagedKeyIsAnErrorAndStays(t *testing.T) {
	f, dir := open(t)
	keys(t, f, "cluster01")
	path := filepath.Join(dir, "cluster01", "ssh_host_ed25519_key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.HostKeys("cluster01"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("got %v, want an error that names %s", err, path)
	}
}

// Whoever takes secrets out of a text has to know all of them, old ones too, and nothing
// that others may see.
func TestPrivateIsAllThatNobodyMaySee(t *testing.T) {
	f, dir := open(t)
	keys(t, f, "cluster01")
	tunnel, err := f.TunnelKey("cluster01")
	if err != nil {
		t.Fatal(err)
	}
	old, err := f.NodeCert("cluster01")
	if err != nil {
		t.Fatal(err)
	}
	id, err := f.ClusterID()
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Rotate("cluster01"); err != nil {
		t.Fatal(err)
	}
	list, err := f.Private()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(list, "\n")
	for what, want := range map[string]string{"tunnel key": tunnel.Private, "rotated key": string(old.Key), "SSH host key": "BEGIN OPENSSH PRIVATE KEY"} {
		if !strings.Contains(all, want) {
			t.Errorf("the %s is not among them", what)
		}
	}
	for _, other := range []string{id, "BEGIN CERTIFICATE", "ssh-ed25519", dir} {
		if strings.Contains(all, other) {
			t.Errorf("%s is among them", other)
		}
	}
}
