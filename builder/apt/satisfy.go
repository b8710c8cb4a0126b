package apt

// depends are v's dependencies.
func (u *universe) depends(v *ver) []group {
	if err := v.relations(); err != nil {
		u.fail(err)
	}
	return v.depends
}

// conflicts are what v cannot be beside: its own Conflicts and Breaks, and what
// Multi-Arch says of the same package on other architectures.
func (u *universe) conflicts(v *ver) []relation {
	if err := v.relations(); err != nil {
		u.fail(err)
	}
	if len(u.archs) == 1 {
		return v.conflicts
	}
	list := v.conflicts[:len(v.conflicts):len(v.conflicts)]
	for _, a := range u.archs {
		if p := u.pkgs[key{v.name, a}]; p == nil || p == v.pkg {
			continue
		}
		r := relation{owner: v, name: v.name, qualifier: a, siblings: true}
		if v.multi == "same" {
			r.op, r.text, r.version, r.breaks = "!=", v.text, v.version, true
		}
		list = append(list, r)
	}
	return list
}

// satisfied tells whether one of the alternatives is there.
func (u *universe) satisfied(g group, at func(*pkg) *ver) bool {
	for _, r := range g {
		for range u.matches(r, false, at) {
			return true
		}
	}
	return false
}

// violated tells whether a conflict is with something that is there.
func (u *universe) violated(r relation, at func(*pkg) *ver) bool {
	for range u.matches(r, true, at) {
		return true
	}
	return false
}

// broken tells whether p, as it is marked now, lacks something or conflicts
// with something.
func (s *search) broken(p *pkg) bool {
	v := s.target(p)
	if v == nil {
		return false
	}
	for _, g := range s.depends(v) {
		if !s.satisfied(g, s.target) {
			return true
		}
	}
	for _, r := range s.conflicts(v) {
		if s.violated(r, s.target) {
			return true
		}
	}
	return false
}

// solutions are the versions that would satisfy g, best first: those of
// installed packages, then in the order of the alternatives.
func (s *search) solutions(g group, negative bool, at func(*pkg) *ver) []*ver {
	var upgrades, fresh []*ver
	for _, r := range g {
		for _, v := range s.sorted(r, negative, at) {
			if v.current != nil {
				upgrades = append(upgrades, v)
			} else {
				fresh = append(fresh, v)
			}
		}
	}
	var list []*ver
	seen := map[*ver]bool{}
	for _, v := range append(upgrades, fresh...) {
		m := s.of(v.pkg)
		gone := m.protected && (m.mode == remove || m.mode == keep && v.current == nil)
		if !seen[v] && (negative || !gone) {
			seen[v] = true
			list = append(list, v)
		}
	}
	return list
}
