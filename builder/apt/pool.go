package apt

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Pool is packages as a flat repository, which apt on the node reads as
// "deb [trusted=yes] file:DIRECTORY ./". It needs no Release file: what it
// holds was checked against the lock, and is as safe as the rest of the image.
type Pool struct {
	Index []byte     // the file Packages, beside Files
	Files []PoolFile // in the order of names
	// Installed is how many bytes the packages take when they are installed, as
	// their makers counted them. Those that they replace are not taken off.
	Installed int64
}

// PoolFile is one package file.
type PoolFile struct {
	Name   string // in the pool
	Path   string // on the host
	Size   int64
	SHA256 string
}

// NewPool makes the repository of some packages, whose files are at paths, in
// the same order, as Fetch returns them. The index is made of what the files
// say of themselves, so a lock is enough to make it again anywhere; each has to
// be the package that the list says it is.
func NewPool(list []Package, paths []string) (*Pool, error) {
	p := &Pool{}
	order := make([]int, len(list))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return byName(list[a], list[b]) })
	for _, i := range order {
		if err := p.add(list[i], paths[i]); err != nil {
			return nil, fmt.Errorf("cannot put %s into the pool: %w", list[i], err)
		}
	}
	return p, nil
}

func (p *Pool) add(one Package, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	control, err := readControl(path)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	if err := one.is(control); err != nil {
		return err
	}
	if info.Size() != one.Size {
		return fmt.Errorf("%s has %d bytes instead of %d: remove it, so that it is downloaded again", path, info.Size(), one.Size)
	}
	file := PoolFile{Name: one.fileName(), Path: path, Size: one.Size, SHA256: one.SHA256}
	p.Files = append(p.Files, file)
	p.Installed += one.InstalledSize
	p.Index = fmt.Appendf(p.Index, "%s\nFilename: ./%s\nSize: %d\nSHA256: %s\n\n", control, file.Name, file.Size, file.SHA256)
	return nil
}

// is tells whether a package file's own control data is of this package.
func (p Package) is(control stanza) error {
	if !packageName.ok(p.Name) || !packageVersion.ok(p.Version) || !word.ok(p.Arch) {
		return errors.New("its name or version is not as Debian has them")
	}
	for _, field := range []struct{ name, want string }{
		{"Package", p.Name}, {"Version", p.Version}, {"Architecture", p.Arch},
	} {
		if got := control.field(field.name); got != field.want {
			return fmt.Errorf("the file's %s is %q", field.name, got)
		}
	}
	return nil
}

// fileName is the name that Debian gives the file: without the epoch.
func (p Package) fileName() string {
	version := p.Version
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	return p.Name + "_" + version + "_" + p.Arch + ".deb"
}

// Bytes is how many bytes the pool's files have together, its index included.
func (p *Pool) Bytes() int64 {
	n := int64(len(p.Index))
	for _, f := range p.Files {
		n += f.Size
	}
	return n
}
