package apttest

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
)

// Files is a tree of files by absolute path. It can be read as an apt.Root, and
// put into the images of disktest.
type Files map[string]string

// ReadFile returns what a file holds.
func (f Files) ReadFile(path string) ([]byte, error) {
	text, ok := f[path]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return []byte(text), nil
}

// ReadDir lists a folder.
func (f Files) ReadDir(path string) ([]string, error) {
	var names []string
	for p := range f {
		rest, ok := strings.CutPrefix(p, strings.TrimSuffix(path, "/")+"/")
		if ok && !strings.Contains(rest, "/") {
			names = append(names, rest)
		}
	}
	if names == nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return names, nil
}

// Where Sources puts things.
const (
	SourcesPath = "/etc/apt/sources.list.d/apttest.sources"
	KeyringPath = "/usr/share/keyrings/apttest-archive-keyring.gpg"
)

// Sources is what makes an existing base use the mirror: apt's source and the
// key that it names.
func (m *Mirror) Sources() Files {
	return Files{
		SourcesPath: fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n",
			strings.TrimSuffix(m.URI, "/"), m.options.Suite, KeyringPath),
		KeyringPath: string(m.Keyring(m.key)),
	}
}

// Keyring is the public half of a key, as a keyring file has it.
func (m *Mirror) Keyring(key *openpgp.Entity) []byte {
	m.t.Helper()
	var b bytes.Buffer
	check(m.t, key.Serialize(&b))
	return b.Bytes()
}

// Base is all that package apt reads of a base: Sources, and dpkg's status in
// which dpkg and those packages are installed.
func (m *Mirror) Base(installed ...Deb) Files {
	arch := m.options.Archs[0]
	dpkg := Deb{Name: "dpkg", Version: "1.22.21", Arch: arch, Fields: "Essential: yes\nMulti-Arch: foreign\n"}
	status := ""
	for _, d := range append([]Deb{dpkg}, installed...) {
		name, rest, _ := strings.Cut(d.control(), "\n")
		status += name + "\nStatus: install ok installed\n" + rest + "\n"
	}
	f := Files{
		"/etc/os-release":      "ID=debian\nVERSION_ID=\"13\"\nVERSION_CODENAME=" + m.options.Suite + "\n",
		"/var/lib/dpkg/arch":   strings.Join(m.options.Archs, "\n") + "\n",
		"/var/lib/dpkg/status": status,
	}
	maps.Copy(f, m.Sources())
	return f
}
