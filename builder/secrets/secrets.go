// Package secrets keeps what must stay the same from one build to the next and
// must never be seen: today the SSH host keys of every node. They lie in a
// folder of the cluster on the workstation, one folder per node below it, all
// of it readable by its owner only.
//
// Everything is made once and then only read. A key is written to a temporary
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

// HostKey is one SSH host key of a node, in the forms of sshd's files.
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
	{"ed25519", func() (crypto.PrivateKey, error) {
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}},
	{"rsa", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
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
