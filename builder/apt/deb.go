package apt

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strings"

	"pault.ag/go/debian/deb"
)

// maxControl is more bytes than the control file of any package has.
const maxControl = 1 << 20

// readControl returns the control data of a package file, as its maker wrote
// it.
func readControl(file string) (stanza, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	archive, err := deb.LoadAr(f)
	if err != nil {
		return "", err
	}
	for {
		member, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it has no control data")
		}
		if err != nil {
			return "", err
		}
		if member.Size < 0 { // the next one would be this one again
			return "", errors.New("it is no package file")
		}
		if strings.HasPrefix(member.Name, "control.tar") {
			return controlOf(member)
		}
	}
}

// controlOf unpacks the part of a package that holds its control file.
func controlOf(member *deb.ArEntry) (stanza, error) {
	r, closer, err := member.Tarfile()
	if err != nil {
		return "", err
	}
	defer closer.Close()
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return "", errors.New("it has no control file")
		}
		if err != nil {
			return "", err
		}
		if path.Clean(h.Name) == "control" && h.Typeflag == tar.TypeReg {
			return oneStanza(r)
		}
	}
}

// oneStanza reads a control file, which is a single stanza.
func oneStanza(r io.Reader) (stanza, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxControl+1))
	if err != nil {
		return "", err
	}
	text := strings.Trim(string(b), "\n")
	if text == "" || len(b) > maxControl || strings.Contains(text, "\n\n") {
		return "", fmt.Errorf("its control file is not one paragraph")
	}
	return stanza(text), nil
}
