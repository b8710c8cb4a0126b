package apt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Package is one package file that an index names.
type Package struct {
	Name    string `yaml:"name"`
	Version string `yaml:"version"`
	Arch    string `yaml:"arch"` // "all" or an architecture
	// URL is where the base's own sources have it; see Mirrors.
	URL           string `yaml:"url"`
	SHA256        string `yaml:"sha256"`             // 64 lower-case hex digits
	Size          int64  `yaml:"size"`               // bytes of the file
	InstalledSize int64  `yaml:"installed_size"`     // bytes, as the package's maker counted them
	Installed     string `yaml:"replaces,omitempty"` // version that it replaces; "" when it is new
}

// String is the package for messages, such as "apache2 2.4.65-2 (arm64)".
func (p Package) String() string { return p.Name + " " + p.Version + " (" + p.Arch + ")" }

// Closure says what `apt-get install --no-install-recommends --no-remove` of
// those packages would install and upgrade on the base, in the order of names.
// Recommended packages come only where want names them. When it cannot be done
// the error says why, from the wanted package down to what is missing.
func (a *Archive) Closure(want []string) ([]Package, error) {
	u := a.universe
	if err := u.sound(); err != nil {
		return nil, err
	}
	wanted, err := u.find(want)
	if err != nil {
		return nil, err
	}
	s := newSearch(u)
	s.want(wanted)
	s.sweep()
	if u.err != nil {
		return nil, u.err
	}
	if err := s.check(wanted); err != nil {
		return nil, err
	}
	return s.result()
}

// sound refuses a base that is broken before anything is added to it.
func (u *universe) sound() error {
	s := newSearch(u)
	for _, p := range u.installed {
		if s.broken(p) {
			return fmt.Errorf("the base is broken: %s", s.lack(p.current, current))
		}
	}
	return u.err
}

// find looks the wanted names up. A name that is only provided is refused: the
// choice is the caller's.
func (u *universe) find(want []string) ([]*pkg, error) {
	var list []*pkg
	for _, name := range want {
		base, arch, _ := strings.Cut(name, ":")
		p := u.pkgs[key{base, cmp.Or(arch, u.archs[0])}]
		if p != nil && p.candidate() != nil {
			if !slices.Contains(list, p) {
				list = append(list, p)
			}
			continue
		}
		return nil, fmt.Errorf("cannot install %s: %s", name, u.whyNot(relation{name: base, owner: &ver{pkg: &pkg{arch: u.archs[0]}}}))
	}
	return list, nil
}

// want marks the wanted packages: first all of them alone, so that they are
// chosen wherever there is a choice, and then what each needs.
func (s *search) want(list []*pkg) {
	for _, p := range list {
		s.of(p).protected = true
		s.install(p, false, true, 0)
	}
	list = slices.SortedFunc(slices.Values(list), s.byRank)
	for _, p := range list {
		s.install(p, true, true, 0)
	}
}

func (u *universe) byRank(a, b *pkg) int { return cmp.Compare(u.rank(a), u.rank(b)) }

// check makes sure that the marks are a solution.
func (s *search) check(wanted []*pkg) error {
	var problems []error
	for _, p := range wanted {
		if s.target(p) == nil || s.broken(p) {
			problems = append(problems, fmt.Errorf("cannot install %s: %s", p, s.explain(p)))
		}
	}
	if len(problems) > 0 {
		return errors.Join(problems...)
	}
	for _, p := range s.all {
		switch {
		case p.current != nil && s.target(p) == nil:
			problems = append(problems, fmt.Errorf("%s of the base would have to be removed", p))
		case s.broken(p):
			problems = append(problems, errors.New(s.lack(s.target(p), s.target)))
		}
	}
	if len(problems) == 0 {
		return nil
	}
	for _, p := range wanted { // a whole chain says more than its end
		if why := s.because(p); why != "" {
			return fmt.Errorf("cannot install %s: %s", p, why)
		}
	}
	return fmt.Errorf("cannot install %s: %w", joined(wanted), errors.Join(problems...))
}

// result lists what is to be installed or upgraded.
func (s *search) result() ([]Package, error) {
	var list []Package
	for _, p := range s.all {
		v := s.target(p)
		if v == nil || v == p.current {
			continue
		}
		one, err := v.describe()
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	slices.SortFunc(list, byName)
	return list, nil
}

func joined(list []*pkg) string {
	var names []string
	for _, p := range list {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}
