package apttest

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ulikunitz/xz"
)

// Deb is a package to be made.
type Deb struct {
	Name    string
	Version string
	Arch    string
	Fields  string            // further lines of its control file, such as "Depends: b\n"
	Files   map[string]string // what it installs, by absolute path
}

// made is when every package was made.
var made = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// control is the control file.
func (d Deb) control() string {
	size := 0
	for _, content := range d.Files {
		size += len(content)
	}
	return fmt.Sprintf("Package: %s\nVersion: %s\nArchitecture: %s\nMaintainer: Nobody <nobody@example.org>\nInstalled-Size: %d\nPriority: optional\nSection: misc\n%sDescription: %s for tests\n It does nothing.\n",
		d.Name, d.Version, d.Arch, (size+1023)/1024, d.Fields, d.Name)
}

// path is where the package lies below the mirror's address.
func (d Deb) path() string {
	version := d.Version
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	return fmt.Sprintf("pool/main/%s/%s/%s_%s_%s.deb", d.Name[:1], d.Name, d.Name, version, d.Arch)
}

// Bytes is the package file.
func (d Deb) Bytes(t testing.TB) []byte {
	t.Helper()
	var ar bytes.Buffer
	ar.WriteString("!<arch>\n")
	for _, part := range []struct {
		name    string
		content []byte
	}{
		{"debian-binary", []byte("2.0\n")},
		{"control.tar.xz", tarOf(t, map[string]string{"/control": d.control()})},
		{"data.tar.xz", tarOf(t, d.Files)},
	} {
		fmt.Fprintf(&ar, "%-16s%-12d0     0     100644  %-10d`\n", part.name, made.Unix(), len(part.content))
		ar.Write(part.content)
		if len(part.content)%2 == 1 {
			ar.WriteByte('\n')
		}
	}
	return ar.Bytes()
}

// tarOf is a compressed archive of files and the folders above them.
func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	all := maps.Clone(files)
	if all == nil {
		all = map[string]string{}
	}
	for name := range files {
		for dir := path.Dir(name); dir != "/"; dir = path.Dir(dir) {
			all[dir+"/"] = ""
		}
	}
	all["/"] = ""
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		h := &tar.Header{Name: "." + name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(all[name])), ModTime: made, Format: tar.FormatGNU}
		if strings.HasSuffix(name, "/") {
			h.Typeflag, h.Mode = tar.TypeDir, 0o755
		}
		check(t, w.WriteHeader(h))
		_, err := w.Write([]byte(all[name]))
		check(t, err)
	}
	check(t, w.Close())
	return packed(t, b.Bytes())
}

// packed compresses with xz.
func packed(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&b)
	check(t, err)
	_, err = w.Write(data)
	check(t, err)
	check(t, w.Close())
	return b.Bytes()
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
