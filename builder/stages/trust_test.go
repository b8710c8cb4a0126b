package stages

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"berries/builder/disk/disktest"
	"berries/builder/secrets"
	"berries/firstboot/node"
	"berries/profiles"
)

// An image brings what makes its node a member, in the modes that keep it from
// others, and none of the secrets of anybody else.
func TestAnImageBringsItsOwnSecretsOnly(t *testing.T) {
	c, o := cluster(t, newBase(t, disktest.Options{})), options(t)
	dir := filepath.Join(t.TempDir(), "berries.secrets")
	var err error
	if o.Secrets, err = secrets.Open(dir); err != nil {
		t.Fatal(err)
	}
	site := pairOfASite(t)
	c.Nodes[4].HTTPS = &profiles.HTTPS{Port: 443, Certificate: site.Chain, Key: profiles.NewSecret(site.Key)}
	results := build(t, o, c)
	if _, err := o.Secrets.OperatorCert(); err != nil {
		t.Fatal(err)
	}
	keys := map[string][]byte{"the CA": keyOf(t, dir, "ca.pem"), "the operator": keyOf(t, dir, "operator.pem")}
	for _, r := range results {
		keys[r.Node] = keyOf(t, dir, r.Node+"/tls.pem")
	}
	tunnel := map[string]secrets.TunnelKey{}
	for _, r := range results {
		key, err := o.Secrets.TunnelKey(r.Node)
		if err != nil {
			t.Fatal(err)
		}
		tunnel[r.Node] = key
	}
	for _, r := range []Result{results[1], results[4]} { // a storage node, the balancer: each has hundreds of MB to be searched
		image, err := os.ReadFile(r.Path)
		if err != nil {
			t.Fatal(err)
		}
		for whose, key := range keys {
			if got, want := bytes.Contains(image, key), whose == r.Node; got != want {
				t.Errorf("%s: the image holds the key of %s: %v, want %v", r.Node, whose, got, want)
			}
		}
		for whose, key := range tunnel {
			if got, want := bytes.Contains(image, []byte(key.Private)), whose == r.Node; got != want {
				t.Errorf("%s: the image holds the tunnel key of %s: %v, want %v", r.Node, whose, got, want)
			}
			if !bytes.Contains(image, []byte(key.Public)) {
				t.Errorf("%s: the image lacks the public half of the tunnel key of %s", r.Node, whose)
			}
		}
		if e := noted(t, r, node.Path); !e.Secret || e.SHA256 != "" {
			t.Errorf("%s: the manifest says of the node file: %+v", r.Node, e)
		}
		if e := noted(t, r, node.KeyPath); !e.Secret || e.SHA256 != "" {
			t.Errorf("%s: the manifest says of the key: %+v", r.Node, e)
		}
		wantTrust(t, r)
	}
	if f := secretNodeFile(t, results[3]); f.DDNS == nil || f.DDNS.Password != c.Nodes[3].DDNS.Password.Reveal() {
		t.Error("the remote node's file has another password than the profile")
	}
	if f := secretNodeFile(t, results[4]); f.Balancer.HTTPS == nil || *f.Balancer.HTTPS.Pair != site {
		t.Error("the balancer's node file has another certificate than the profile")
	}
	wantGeoRep(t, dir, results)
}

// wantGeoRep looks at what the two ends of geo-replication know each other by: each
// private key is with its own node only, and the manifest says nothing of it.
func wantGeoRep(t *testing.T, dir string, results []Result) {
	t.Helper()
	read := func(name string) string {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	two := func(line string) string { return strings.Join(strings.Fields(line)[:2], " ") }
	remote := secretNodeFile(t, results[3])
	for i, r := range results[:3] {
		g, p := secretNodeFile(t, r).GeoRep, remote.Secondary.Primaries[i]
		switch {
		case g.Key != read(r.Node+"/geo_session_key") || g.TarKey != read(r.Node+"/geo_tar_key"):
			t.Errorf("%s: it has other keys than the secrets folder", r.Node)
		case p.Name != r.Node || p.Key != two(read(r.Node+"/geo_session_key.pub")) || p.TarKey != two(read(r.Node+"/geo_tar_key.pub")):
			t.Errorf("%s: the remote node takes %+v for its keys", r.Node, p)
		case !slices.Contains(g.HostKeys, two(read("cluster04/ssh_host_ed25519_key.pub"))) || len(g.HostKeys) != 3:
			t.Errorf("%s: it knows the remote node by %q", r.Node, g.HostKeys)
		}
	}
	if strings.Contains(run(t, "debugfs", "-R", "cat "+node.Path, results[3].Path+offset), "PRIVATE KEY") {
		t.Error("the remote node has a private key in its node file")
	}
}

// pairOfASite is a certificate with its key.
func pairOfASite(t *testing.T) node.Pair {
	t.Helper()
	other, err := secrets.Open(filepath.Join(t.TempDir(), "other.secrets"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := other.NodeCert("host.example.net")
	if err != nil {
		t.Fatal(err)
	}
	return node.Pair{Chain: string(pair.Cert), Key: string(pair.Key)}
}

// secretNodeFile is the node file of an image that has a secret of the profile in it,
// of which the manifest says nothing.
func secretNodeFile(t *testing.T, r Result) node.File {
	t.Helper()
	f, err := node.Decode([]byte(run(t, "debugfs", "-R", "cat "+node.Path, r.Path+offset)))
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadManifest(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	if e := noted(t, r, node.Path); !e.Secret || e.SHA256 != "" || m.NodeFile != "" {
		t.Errorf("%s: the manifest says of the node file: %q, %+v", r.Node, m.NodeFile, e)
	}
	return f
}

// noted is what the manifest says of a file.
func noted(t *testing.T, r Result, path string) ManifestEntry {
	t.Helper()
	m, err := ReadManifest(r.Path)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(m.Root, func(e ManifestEntry) bool { return e.Path == path })
	if i < 0 {
		t.Fatalf("%s: the manifest says nothing of %s", r.Node, path)
	}
	return m.Root[i]
}

// keyOf is the middle of the private key in a file of the secrets folder.
func keyOf(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	_, rest := pem.Decode(data)
	lines := bytes.Split(rest, []byte("\n"))
	return lines[len(lines)/2]
}

// wantTrust looks at what is in an image with debugfs.
func wantTrust(t *testing.T, r Result) {
	t.Helper()
	debugfs := func(request string) string { return run(t, "debugfs", "-R", request, r.Path+offset) }
	f, err := node.Decode([]byte(debugfs("cat " + node.Path)))
	if err != nil {
		t.Fatal(err)
	}
	ca, _ := pem.Decode([]byte(debugfs("cat " + node.CAPath)))
	cert, _ := pem.Decode([]byte(debugfs("cat " + node.CertPath)))
	pool := x509.NewCertPool()
	if ca == nil || cert == nil {
		t.Fatalf("%s: no certificates", r.Node)
	}
	authority, err := x509.ParseCertificate(ca.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(authority)
	own, err := x509.ParseCertificate(cert.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := own.Verify(x509.VerifyOptions{Roots: pool, DNSName: r.Node}); err != nil {
		t.Errorf("%s: %v", r.Node, err)
	}
	want := map[string]string{"/etc/berry/tls": "040700", node.CAPath: "100600", node.CertPath: "100600", node.KeyPath: "100600"}
	if f.Gluster != nil {
		want["/var/lib/glusterd/secure-access"] = "100600"
		want["/var/lib/glusterd/glusterd.info"] = "100600"
		want["/etc/ssl/glusterfs.key"] = "120777"
		want["/usr/lib/ssl/glusterfs.ca"] = "120777"
	}
	for path, mode := range want {
		dir, base := path[:strings.LastIndexByte(path, '/')], path[strings.LastIndexByte(path, '/')+1:]
		if ls := debugfs("ls -p " + dir); !strings.Contains(ls, "/"+mode+"/0/0/"+base+"/") {
			t.Errorf("%s: %s has not mode %s:\n%s", r.Node, path, mode, ls)
		}
	}
	if f.Gluster == nil {
		return
	}
	wantPool(t, r.Node, f, debugfs)
}

// wantPool looks at the files with which glusterd starts.
func wantPool(t *testing.T, name string, f node.File, debugfs func(string) string) {
	t.Helper()
	var peers []string
	for _, m := range f.Gluster.Members {
		if m.Name == name {
			if got, want := debugfs("cat /var/lib/glusterd/glusterd.info"), fmt.Sprintf("UUID=%s\noperating-version=110000\n", m.UUID); got != want {
				t.Errorf("%s: glusterd.info is %q, want %q", name, got, want)
			}
			continue
		}
		peers = append(peers, m.UUID)
		got := debugfs("cat /var/lib/glusterd/peers/" + m.UUID)
		if want := fmt.Sprintf("uuid=%s\nstate=3\nhostname1=%s\n", m.UUID, m.Name); got != want {
			t.Errorf("%s: the peer %s is %q, want %q", name, m.Name, got, want)
		}
	}
	if len(slices.Compact(peers)) != 2 {
		t.Errorf("%s: it has the peers %v", name, peers)
	}
}
