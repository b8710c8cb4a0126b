package apt

import "slices"

// sorted are the versions that answer r, in apt's order of liking.
func (s *search) sorted(r relation, negative bool, at func(*pkg) *ver) []*ver {
	var list []*ver
	for v := range s.matches(r, negative, at) {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	slices.SortStableFunc(list, func(a, b *ver) int {
		switch {
		case a == b:
			return 0
		case s.better(a, b, r):
			return -1
		}
		return 1
	})
	return list
}

// better tells whether apt would rather take a than b for r.
func (s *search) better(a, b *ver, r relation) bool {
	for _, likes := range []func(*ver) bool{
		func(v *ver) bool { return s.of(v.pkg).protected },
		func(v *ver) bool { return v.multi == "same" && s.anyInstalled(v.name) },
		func(v *ver) bool { return v.current != nil },
		func(v *ver) bool { return v.name == r.name },
		func(v *ver) bool { return v.essential },
		func(v *ver) bool { return v.important },
	} {
		if likes(a) != likes(b) {
			return likes(a)
		}
	}
	if a.arch != b.arch {
		return slices.Index(s.archs, a.arch) < slices.Index(s.archs, b.arch)
	}
	if a.level != b.level {
		return a.level < b.level
	}
	return s.rank(a.pkg) > s.rank(b.pkg)
}

// anyInstalled tells whether the package is installed on some architecture.
func (u *universe) anyInstalled(name string) bool {
	for _, a := range u.archs {
		if p := u.pkgs[key{name, a}]; p != nil && p.current != nil {
			return true
		}
	}
	return false
}
