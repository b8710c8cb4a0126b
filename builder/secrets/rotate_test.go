package secrets

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// changed names what is another after do than before.
func changed(t *testing.T, f Folder, do func() error) []string {
	t.Helper()
	before := everything(t, f)
	if err := do(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, is := range everything(t, f) {
		if is != before[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestRotateChangesCertificatesAndTunnelKeysOnly(t *testing.T) {
	nodes := []string{"cluster01", "cluster02"}
	tests := []struct {
		name   string
		rotate func(Folder) error
		want   []string
	}{
		{"one node", func(f Folder) error { return f.Rotate("cluster01") }, []string{"cluster01", "tunnel of cluster01"}},
		{"all", func(f Folder) error { return f.RotateAll(nodes) },
			[]string{"ca", "cluster01", "cluster02", "files of cluster01", "files of cluster02", "geo-replication of cluster01", "geo-replication of cluster02",
				"operator", "tunnel of cluster01", "tunnel of cluster02"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, dir := open(t)
			if diff := cmp.Diff(tt.want, changed(t, f, func() error { return tt.rotate(f) })); diff != "" {
				t.Errorf("changed (-want +got):\n%s", diff)
			}
			for _, old := range []string{"tls.pem.old", "tunnel.key.old"} {
				if _, err := os.Stat(filepath.Join(dir, "cluster01", old)); err != nil {
					t.Errorf("the old pair is gone: %v", err)
				}
			}
		})
	}
}

func TestANewCADoesNotKnowTheOldCertificates(t *testing.T) {
	f, _ := open(t)
	ca, old := must[[]byte](t)(f.CA()), must[Pair](t)(f.NodeCert("cluster01"))
	if !signedBy(t, ca, old) {
		t.Fatal("the CA did not sign the node's certificate")
	}
	if err := f.RotateAll([]string{"cluster02"}); err != nil {
		t.Fatal(err)
	}
	now := must[[]byte](t)(f.CA())
	if signedBy(t, now, old) {
		t.Error("the new CA takes an old certificate")
	}
	if !signedBy(t, now, must[Pair](t)(f.NodeCert("cluster01"))) {
		t.Error("a node that was not named kept its old certificate")
	}
}

// Wherever a rotation of everything is cut off, the next build gets one CA and
// only certificates from it.
func TestARotationThatWasCutOffLeavesOneCA(t *testing.T) {
	moves := []string{"cluster01/tls.pem", "cluster02/tls.pem", "operator.pem", "ca.pem"}
	for cut := range len(moves) + 1 {
		f, dir := open(t)
		everything(t, f)
		for _, file := range moves[:cut] {
			if err := aside(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
		}
		ca := must[[]byte](t)(f.CA())
		for _, p := range []Pair{must[Pair](t)(f.NodeCert("cluster01")), must[Pair](t)(f.NodeCert("cluster02"))} {
			if !signedBy(t, ca, p) {
				t.Errorf("cut off after %d moves: a certificate of another CA", cut)
			}
		}
	}
}

func TestACertificateOfAnotherCAIsAnError(t *testing.T) {
	f, dir := open(t)
	everything(t, f)
	if err := os.Remove(filepath.Join(dir, "ca.pem")); err != nil {
		t.Fatal(err)
	}
	_, err := f.NodeCert("cluster01")
	if err == nil || !strings.Contains(err.Error(), "type berry secrets rotate PROFILE --all") {
		t.Errorf("got %v, want an error that says what to type", err)
	}
}
