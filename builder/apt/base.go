package apt

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Root reads files of the base image's root filesystem. Paths are absolute.
// Symbolic links are followed inside the root: Debian's keyring files are some.
// What does not exist is an error that wraps fs.ErrNotExist.
type Root interface {
	ReadFile(path string) ([]byte, error)
	ReadDir(path string) ([]string, error) // names, in any order
}

// Base is what the base image knows about packages.
type Base struct {
	Arch    string   // dpkg's own architecture, such as "arm64"
	Foreign []string // further ones it accepts
	OS      OS
	Sources []Source // in apt's order, deb-src and disabled ones left out
	status  string   // dpkg's status file
	pins    []pin
	trusted []keyFile // keys for sources without Signed-By
	named   map[string]keyFile
}

// OS is what /etc/os-release says.
type OS struct {
	ID       string // such as "debian"
	Version  string // VERSION_ID, such as "13"
	Codename string // such as "trixie"
}

// Paths of what is read.
const (
	statusPath      = "/var/lib/dpkg/status"
	archPath        = "/var/lib/dpkg/arch"
	osReleasePath   = "/etc/os-release"
	sourcesPath     = "/etc/apt/sources.list"
	sourcePartsPath = "/etc/apt/sources.list.d"
	pinsPath        = "/etc/apt/preferences"
	pinPartsPath    = "/etc/apt/preferences.d"
	confPath        = "/etc/apt/apt.conf"
	confPartsPath   = "/etc/apt/apt.conf.d"
	trustedPath     = "/etc/apt/trusted.gpg"
	trustedPartPath = "/etc/apt/trusted.gpg.d"
)

// ReadBase reads everything that the choice of packages depends on.
func ReadBase(root Root) (*Base, error) {
	b := &Base{}
	return b, b.read(root, b.readStatus, b.readOS, b.readConf, b.readSources, b.readPins, b.readTrusted)
}

// ReadInstalled reads only what SBOM needs to know.
func ReadInstalled(root Root) (*Base, error) {
	b := &Base{}
	return b, b.read(root, b.readStatus, b.readOS)
}

func (b *Base) read(root Root, parts ...func(Root) error) error {
	for _, read := range parts {
		if err := read(root); err != nil {
			return fmt.Errorf("cannot use the base's package settings: %w", err)
		}
	}
	return nil
}

func (b *Base) readStatus(root Root) error {
	status, err := root.ReadFile(statusPath)
	if err != nil {
		return fmt.Errorf("cannot read %s: %w", statusPath, err)
	}
	b.status = string(status)
	archs, err := optional(root, archPath)
	if err != nil {
		return err
	}
	names := strings.Fields(archs)
	if len(names) == 0 { // dpkg makes the file only when there is a foreign one
		native, err := dpkgArch(b.status)
		if err != nil {
			return err
		}
		names = []string{native}
	}
	b.Arch, b.Foreign = names[0], names[1:]
	return nil
}

// dpkgArch is the architecture that dpkg itself is installed for.
func dpkgArch(status string) (string, error) {
	for s := range stanzas(status) {
		if s.field("Package") == "dpkg" && installed(s.field("Status")) {
			return s.field("Architecture"), nil
		}
	}
	return "", fmt.Errorf("cannot tell the architecture: %s has no dpkg", statusPath)
}

func (b *Base) readOS(root Root) error {
	text, err := optional(root, osReleasePath)
	if err != nil {
		return err
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, `"'`)
		switch key {
		case "ID":
			b.OS.ID = value
		case "VERSION_ID":
			b.OS.Version = value
		case "VERSION_CODENAME":
			b.OS.Codename = value
		}
	}
	return nil
}

// readConf refuses the one setting of apt.conf that would change which
// versions are chosen.
func (b *Base) readConf(root Root) error {
	files, err := parts(root, confPath, confPartsPath, "", ".conf")
	if err != nil {
		return err
	}
	for _, f := range files {
		for line := range strings.Lines(f.text) {
			line = strings.ToLower(strings.TrimSpace(line))
			if strings.Contains(line, "default-release") && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "#") {
				return fmt.Errorf("%s sets a default release, which is not followed here: use preferences instead", f.path)
			}
		}
	}
	return nil
}

// file is a configuration file of the base.
type file struct {
	path string
	text string
}

// parts reads a configuration file and then those in the directory beside it,
// as apt does: in the order of their names, only those with one of the
// extensions ("" being none), no hidden ones. All of them may be missing.
func parts(root Root, main, dir string, exts ...string) ([]file, error) {
	names, err := root.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("cannot list %s: %w", dir, err)
	}
	slices.Sort(names)
	paths := []string{main}
	for _, n := range names {
		if !strings.HasPrefix(n, ".") && slices.Contains(exts, path.Ext(n)) {
			paths = append(paths, path.Join(dir, n))
		}
	}
	var files []file
	for _, p := range paths {
		text, err := optional(root, p)
		if err != nil {
			return nil, err
		}
		if text != "" {
			files = append(files, file{p, text})
		}
	}
	return files, nil
}

// optional reads a file that may be missing.
func optional(root Root, path string) (string, error) {
	text, err := root.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("cannot read %s: %w", path, err)
	}
	return string(text), nil
}
