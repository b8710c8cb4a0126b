package debian

import (
	"os"
	"path/filepath"
)

// Borrow lets programs of this machine's architecture work inside a root of
// another, where the root's own would run under emulation, ten to fifty times
// slower. What they do is the same: they are of the same suite, and what they
// make (byte-compiled Python, locales, links, the certificate store) does not
// depend on the architecture.
//
// Debian's multiarch folders let both live side by side. The tree native is
// bound at a folder of its own; its programs come first in PATH. The kernel
// follows "#!" lines past PATH, so Interpret binds interpreters over the root's
// own as soon as dpkg no longer touches them.
func (r *Root) Borrow(native string, arch Arch) error {
	// The loader's folder may be one that this root's architecture does not have.
	link := filepath.Join(r.Dir, filepath.Dir(arch.Loader))
	if err := os.Symlink("usr/"+filepath.Dir(arch.Loader), link); err == nil {
		r.made = append(r.made, link)
	}
	for _, path := range []string{"usr/lib/" + arch.Multiarch, "usr/" + arch.Loader} {
		if err := r.Bind(filepath.Join(native, path), path); err != nil {
			return err
		}
	}
	bin := filepath.Join(native, "borrowed")
	if err := linkPrograms(native, bin); err != nil {
		return err
	}
	if err := r.Bind(native, borrowedDir); err != nil {
		return err
	}
	r.native = "/" + borrowedDir + "/borrowed"
	return nil
}

const borrowedDir = "native"

// notBorrowed are programs whose answers depend on the architecture they were
// made for, or which keep records by it.
var notBorrowed = map[string]bool{
	"arch": true, "uname": true, "ldconfig": true, "ldd": true, "getconf": true,
	"dpkg": true, "dpkg-query": true, "dpkg-divert": true, "dpkg-trigger": true, "dpkg-statoverride": true,
	"chroot": true, "getent": true, "su": true,
}

// linkPrograms fills bin with links to the programs of the tree native that may
// be borrowed.
func linkPrograms(native, bin string) error {
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{"usr/bin", "usr/sbin"} {
		entries, err := os.ReadDir(filepath.Join(native, dir))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if notBorrowed[e.Name()] || !isProgram(filepath.Join(native, dir, e.Name())) {
				continue
			}
			if err := os.Symlink("/"+borrowedDir+"/"+dir+"/"+e.Name(), filepath.Join(bin, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// isProgram tells whether file is, or links to, a program for a processor.
func isProgram(file string) bool {
	f, err := os.Open(file)
	if err != nil {
		return false
	}
	defer f.Close()
	magic := make([]byte, 4)
	n, _ := f.Read(magic)
	return n == 4 && string(magic) == "\x7fELF"
}

// Interpret binds the native interpreters called names over the root's own, as
// far as both have them. It does nothing where native is "".
func (r *Root) Interpret(native string, names ...string) error {
	if native == "" {
		return nil
	}
	for _, pattern := range names {
		found, err := filepath.Glob(filepath.Join(native, "usr/bin", pattern))
		if err != nil {
			return err
		}
		for _, file := range found {
			target := "usr/bin/" + filepath.Base(file)
			st, err := os.Lstat(filepath.Join(r.Dir, target))
			if err != nil || !st.Mode().IsRegular() || !isProgram(file) {
				continue
			}
			if err := r.Bind(file, target); err != nil {
				return err
			}
		}
	}
	return nil
}
