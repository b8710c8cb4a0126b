package apt

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Lock pins the base and the packages of every role, so that the same profile
// makes the same images on any day, and every node of a cluster has the same
// version of everything. See Lock.Write for the file it is kept in.
type Lock struct {
	Base     LockedBase            `yaml:"base"`
	Suite    string                `yaml:"suite"` // the base's Debian release, such as "trixie"
	Arch     string                `yaml:"arch"`  // the base's native architecture, as dpkg names it
	Roles    map[string]LockedRole `yaml:"roles"`
	Packages []Package             `yaml:"packages"` // of all roles, each once, in the order of names
}

// LockedBase is the image that the packages were chosen for.
type LockedBase struct {
	Origin string `yaml:"origin"`        // as the profile names it: file, URL or name in the catalogue
	URL    string `yaml:"url,omitempty"` // "" for a file
	SHA256 string `yaml:"sha256"`        // of the raw image, 64 lower-case hex digits
}

// LockedRole is what one role's image gets.
type LockedRole struct {
	Install  []string `yaml:"install,flow"` // what the role asks for, in the order of names
	Packages []string `yaml:"packages"`     // names in Lock.Packages; see Lock.ref
}

// NewLock chooses the packages of every role, given as what to install by the
// role's name.
func NewLock(base LockedBase, a *Archive, roles map[string][]string) (*Lock, error) {
	l := &Lock{Base: base, Suite: a.Base.OS.Codename, Arch: a.Base.Arch, Roles: map[string]LockedRole{}}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		list, err := a.Closure(roles[role])
		if err != nil {
			return nil, fmt.Errorf("cannot lock the packages of role %s: %w", role, err)
		}
		l.add(role, roles[role], list)
	}
	slices.SortFunc(l.Packages, byName)
	return l, nil
}

// add notes the packages of one role. Roles share packages: an archive has one
// candidate of each.
func (l *Lock) add(role string, install []string, list []Package) {
	locked := LockedRole{Install: asked(install), Packages: []string{}}
	for _, p := range list {
		locked.Packages = append(locked.Packages, l.ref(p))
		if !slices.Contains(l.Packages, p) {
			l.Packages = append(l.Packages, p)
		}
	}
	slices.Sort(locked.Packages)
	l.Roles[role] = locked
}

// asked puts what a role asks for into the one order that locks have. It is
// never nil, which would be a role that is not there.
func asked(install []string) []string {
	list := append([]string{}, install...)
	slices.Sort(list)
	return slices.Compact(list)
}

// ref is how roles name a package: by its name, with the architecture behind a
// colon when that is a foreign one.
func (l *Lock) ref(p Package) string {
	if p.Arch == "all" || p.Arch == l.Arch {
		return p.Name
	}
	return p.Name + ":" + p.Arch
}

func byName(a, b Package) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch))
}

// For returns the packages of a role, in the order of names.
func (l *Lock) For(role string) ([]Package, error) {
	locked, ok := l.Roles[role]
	if !ok {
		return nil, fmt.Errorf("the lock has no role %s: type berry lock", role)
	}
	byRef := l.byRef()
	var list []Package
	for _, ref := range locked.Packages {
		p, ok := byRef[ref]
		if !ok {
			return nil, fmt.Errorf("the lock's role %s has %s, which the lock has no package for: type berry lock", role, ref)
		}
		list = append(list, p)
	}
	slices.SortFunc(list, byName)
	return list, nil
}

// Fits tells whether the lock is of that base and those roles, given as for
// NewLock. A lock may know more roles than a build needs.
func (l *Lock) Fits(sha256 string, roles map[string][]string) error {
	if sha256 != l.Base.SHA256 {
		return fmt.Errorf("the lock is of another base (%s with SHA-256 %s, not %s): type berry lock", l.Base.Origin, l.Base.SHA256, sha256)
	}
	for _, role := range slices.Sorted(maps.Keys(roles)) {
		locked, ok := l.Roles[role]
		if want := asked(roles[role]); !ok || !slices.Equal(locked.Install, want) {
			return fmt.Errorf("the lock's role %s installs %s, and the build wants %s: type berry lock",
				role, cmp.Or(strings.Join(locked.Install, ", "), "nothing"), strings.Join(want, ", "))
		}
	}
	return nil
}
