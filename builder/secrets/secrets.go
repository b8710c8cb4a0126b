// Package secrets keeps what must stay the same from one build to the next and
// must never be seen: the cluster's CA and id, the operator's certificate, and for
// every node its certificate, its Gluster UUID, its SSH host keys, its tunnel key and the
// keys that it logs in with where geo-replication goes. They lie in a folder of the cluster
// on the workstation, one folder per node below it, all
// of it readable by its owner only.
//
// Everything is made once and then only read, since the same folder must give the
// same images; only a rotation replaces certificates and tunnel keys. A key is written to a temporary
// file, synced, and linked to its name, which fails when the name exists: two
// builds at once end up with the same key, and a power cut leaves a whole one or
// none.
package secrets

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Folder is the secrets folder of one cluster.
type Folder struct{ dir string }

// Open makes the folder with mode 0700 where it is missing. A folder that others may
// look into is an error.
func Open(dir string) (Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Folder{}, fmt.Errorf("cannot make the secrets folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return Folder{}, fmt.Errorf("cannot use the secrets folder: %w", err)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return Folder{}, fmt.Errorf("the secrets folder %s may be read by others (mode %04o): chmod 700 %s",
			dir, info.Mode().Perm(), dir)
	}
	return Folder{dir}, nil
}

// HostKey is one SSH key of a node, by which others know it, in the forms of sshd's files.
type HostKey struct {
	Name    string // file name in /etc/ssh, such as ssh_host_ed25519_key
	Private []byte // OpenSSH private key
	Public  []byte // one authorized_keys line; made from the private key
}

// keyTypes are the types that Debian's sshd_config names, so that its
// ssh-keygen -A finds nothing missing.
var keyTypes = []struct {
	name string
	mint func() (crypto.PrivateKey, error)
}{
	{"ecdsa", func() (crypto.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }},
	{"ed25519", ed25519Key},
	{"rsa", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
}

func ed25519Key() (crypto.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return key, err
}

// HostKeys returns the SSH host keys of a node, making the missing ones.
func (f Folder) HostKeys(node string) ([]HostKey, error) {
	dir := filepath.Join(f.dir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the secrets folder of %s: %w", node, err)
	}
	var keys []HostKey
	for _, t := range keyTypes {
		key, err := hostKey(filepath.Join(dir, "ssh_host_"+t.name+"_key"), node, t.mint)
		if err != nil {
			return nil, fmt.Errorf("cannot get the SSH host keys of %s: %w", node, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// hostKey reads one key, or mints it. The public half is derived again each
// time: a .pub file that does not belong to the key would be found out only by a
// person facing ssh's warning.
func hostKey(path, node string, mint func() (crypto.PrivateKey, error)) (HostKey, error) {
	private, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		private, err = create(path, func() ([]byte, error) { return encode(mint, "root@"+node) })
	}
	if err != nil {
		return HostKey{}, err
	}
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		return HostKey{}, fmt.Errorf("%s is damaged; restore it from a backup, or remove it to give %s a new key: %w", path, node, err)
	}
	line := append(trimNewline(ssh.MarshalAuthorizedKey(signer.PublicKey())), " root@"+node+"\n"...)
	key := HostKey{Name: filepath.Base(path), Private: private, Public: line}
	if _, err := create(path+".pub", func() ([]byte, error) { return line, nil }); err != nil {
		return HostKey{}, err
	}
	return key, nil
}

// The files of the keys of geo-replication in a node's folder, with .pub for their public
// halves.
const (
	geoSessionFile = "geo_session_key"
	geoTarFile     = "geo_tar_key"
)

// GeoRepKeys are the two SSH keys with which gsyncd of a storage node logs in at the
// remote node: one opens the session, the other brings files.
type GeoRepKeys struct{ Session, Tar HostKey }

// GeoRepKeys returns the keys of a storage node, making the missing ones.
func (f Folder) GeoRepKeys(node string) (GeoRepKeys, error) {
	dir := filepath.Join(f.dir, node)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return GeoRepKeys{}, fmt.Errorf("cannot make the secrets folder of %s: %w", node, err)
	}
	var keys GeoRepKeys
	for name, key := range map[string]*HostKey{geoSessionFile: &keys.Session, geoTarFile: &keys.Tar} {
		var err error
		if *key, err = hostKey(filepath.Join(dir, name), node, ed25519Key); err != nil {
			return GeoRepKeys{}, fmt.Errorf("cannot get the geo-replication keys of %s: %w", node, err)
		}
	}
	return keys, nil
}

// Private are all secrets in the folder, those of all nodes and of earlier rotations among
// them: for taking them out of what others are to see.
func (f Folder) Private() ([]string, error) {
	var list []string
	err := filepath.WalkDir(f.dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		switch filepath.Ext(strings.TrimSuffix(name, ".old")) {
		case ".pub", ".id", ".uuid": // others are told these
			return nil
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		list = append(list, private(data))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot read the secrets folder: %w", err)
	}
	return list, nil
}

// private is a file of the folder without the certificate before a key.
func private(data []byte) string {
	if block, rest := pem.Decode(data); block != nil && block.Type == "CERTIFICATE" {
		data = rest
	}
	return string(data)
}

// Line is the public half without its comment.
func (k HostKey) Line() string { return strings.Join(strings.Fields(string(k.Public))[:2], " ") }

// encode mints a key and gives it in OpenSSH's private key format.
func encode(mint func() (crypto.PrivateKey, error), comment string) ([]byte, error) {
	key, err := mint()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(block), nil
}

// create makes the file unless it exists, and returns what is in it.
func create(path string, content func() ([]byte, error)) ([]byte, error) {
	if have, err := os.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		return have, err
	}
	data, err := content()
	if err != nil {
		return nil, err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err != nil {
		return nil, err
	}
	if err := os.Link(temp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return os.ReadFile(path)
}

func trimNewline(line []byte) []byte {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}
