package apt

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// keyFile is the keys of one file.
type keyFile struct {
	path string
	keys openpgp.EntityList
}

// fingerprint is how Signed-By can name a key; a "!" behind it says that no
// subkey will do, which is not told apart here.
var fingerprint = regexp.MustCompile(`^[0-9A-Fa-f]{40}!?$`)

// readTrusted reads the keys that sources without Signed-By are checked with,
// and those that sources name.
func (b *Base) readTrusted(root Root) error {
	files, err := parts(root, trustedPath, trustedPartPath, ".gpg", ".asc")
	if err != nil {
		return err
	}
	for _, f := range files {
		keys, err := readKeys([]byte(f.text))
		if err != nil {
			return fmt.Errorf("cannot read the keys in %s: %w", f.path, err)
		}
		b.trusted = append(b.trusted, keyFile{f.path, keys})
	}
	b.named = map[string]keyFile{}
	for _, s := range b.Sources {
		for _, path := range s.SignedBy {
			if err := b.readNamed(root, s, path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *Base) readNamed(root Root, s Source, path string) error {
	if _, ok := b.named[path]; ok || fingerprint.MatchString(path) {
		return nil
	}
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("%s: Signed-By %s is neither an absolute path nor a fingerprint", s.Where, path)
	}
	text, err := root.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: cannot read the keys of %s: %w", s.Where, s.URI, err)
	}
	keys, err := readKeys(text)
	if err != nil {
		return fmt.Errorf("%s: cannot read the keys in %s: %w", s.Where, path, err)
	}
	b.named[path] = keyFile{path, keys}
	return nil
}

// keysFor are the keys that may sign a source: those it names, or else every
// trusted one. From says where they came from, for messages.
func (b *Base) keysFor(s Source) (keys openpgp.EntityList, from string, err error) {
	switch {
	case s.Key != "":
		keys, err = readKeys([]byte(s.Key))
		return keys, "the key in " + s.Where, err
	case len(s.SignedBy) == 0:
		for _, f := range b.trusted {
			keys = append(keys, f.keys...)
		}
		return keys, trustedPath + " and " + trustedPartPath, nil
	}
	for _, name := range s.SignedBy {
		if fingerprint.MatchString(name) {
			keys = append(keys, b.byFingerprint(name)...)
		} else {
			keys = append(keys, b.named[name].keys...)
		}
	}
	return keys, strings.Join(s.SignedBy, ", "), nil
}

// byFingerprint are the trusted keys with that fingerprint, or a subkey of it.
func (b *Base) byFingerprint(name string) openpgp.EntityList {
	want := strings.ToLower(strings.TrimSuffix(name, "!"))
	var list openpgp.EntityList
	for _, f := range b.trusted {
		for _, e := range f.keys {
			prints := [][]byte{e.PrimaryKey.Fingerprint}
			for _, sub := range e.Subkeys {
				prints = append(prints, sub.PublicKey.Fingerprint)
			}
			for _, p := range prints {
				if hex.EncodeToString(p) == want {
					list = append(list, e)
					break
				}
			}
		}
	}
	return list
}

// readKeys reads public keys, armored or not, any number of blocks.
func readKeys(text []byte) (openpgp.EntityList, error) {
	if len(text) > 12 && string(text[8:12]) == "KBXf" {
		return nil, errors.New("it is a GnuPG keybox, which apt does not read either: export the keys from it")
	}
	if !bytes.Contains(text, []byte("-----BEGIN PGP")) {
		return openpgp.ReadKeyRing(bytes.NewReader(text))
	}
	var list openpgp.EntityList
	for r := bufio.NewReader(bytes.NewReader(text)); ; { // or each block would read ahead for itself
		block, err := armor.Decode(r)
		if errors.Is(err, io.EOF) && len(list) > 0 {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ReadKeyRing(block.Body)
		if err != nil {
			return nil, err
		}
		list = append(list, keys...)
	}
}
