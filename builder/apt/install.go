package apt

import "slices"

// maxDepth ends a search that goes round in circles; it is apt's own limit.
const maxDepth = 3000

// attempt is one package being installed: what it needs, what it clashes with,
// and how hard to try.
type attempt struct {
	*search
	p     *pkg
	v     *ver // the candidate
	depth int
	// bound is true when p was protected before: then what it needs is decided
	// for good too, as far as there is no choice.
	bound bool
	// early is true when the first failure gives the attempt up. For what the
	// user asked for, the search goes on to find everything that is wrong.
	early bool

	needs    []group
	clashes  []relation
	upgrades []*pkg // to be upgraded because of p, or else removed
	removals []*pkg // to be removed once p is sure to be installed
}

// install marks p for installation or upgrade and, if deps, everything it
// needs. User is true for what was asked for by name. It returns false when
// that cannot be; the marks then are as far as apt would have got.
func (s *search) install(p *pkg, deps, user bool, depth int) bool {
	m := s.of(p)
	refresh := m.protected && m.mode == keep && m.candidate == p.current
	if m.candidate == nil || depth > maxDepth || !refresh && !user && !s.mayChange(p, install) {
		return false
	}
	if done, ok := s.already(p); done {
		return ok
	}
	if !user && !s.inSync(p) || deps && !s.possible(p) {
		return false
	}
	a := &attempt{search: s, p: p, v: m.candidate, depth: depth, bound: m.protected}
	a.early = !a.bound && !user
	ok := true
	if user {
		s.set(p, true)
	}
	if deps {
		a.collect()
		if ok = a.clear(); !ok && a.early {
			return false
		}
		a.findDependents()
	}
	if !user {
		s.set(p, false)
	}
	if !deps {
		return ok
	}
	return a.resolve() && ok
}

// already tells whether nothing has to be done about p, and whether that is
// success.
func (s *search) already(p *pkg) (done, ok bool) {
	m := s.of(p)
	if m.protected || s.broken(p) {
		return false, false
	}
	if m.candidate != p.current {
		return m.mode == install, true
	}
	if m.target == nil {
		return true, s.keep(p)
	}
	return true, true
}

// set marks p alone.
func (s *search) set(p *pkg, user bool) {
	m := s.of(p)
	if m.protected && m.target == m.candidate {
		return
	}
	m.mode, m.target = install, m.candidate
	if m.candidate == p.current {
		m.mode = keep
	}
	if p.current == nil {
		m.auto = !user
	}
}

// inSync tells whether p, if it is Multi-Arch: same, would have the version that
// its siblings on other architectures have.
func (s *search) inSync(p *pkg) bool {
	m := s.of(p)
	v := m.candidate
	if m.mode == install && m.target == v || v == p.current || v.multi != "same" {
		return true
	}
	for _, arch := range s.archs {
		q := s.pkgs[key{p.name, arch}]
		if q == nil || q == p || q.current == nil {
			continue
		}
		c := s.candidate(q)
		if c != nil && c.text != v.text && c.multi == "same" && len(c.found) > 0 {
			return false
		}
	}
	return true
}

// possible tells whether each of the candidate's dependencies is there or could
// be. If not, the candidate is given up at once, so that nothing else counts
// on it.
func (s *search) possible(p *pkg) bool {
	m := s.of(p)
	if m.candidate == p.current {
		return true
	}
	for _, g := range s.depends(m.candidate) {
		if s.satisfied(g, s.target) || s.satisfied(g, s.candidate) {
			continue
		}
		if !m.protected {
			m.candidate = p.current
			if m.mode != remove {
				m.mode, m.target = keep, p.current
			}
		}
		return false
	}
	return true
}

// collect finds which of the candidate's relations do not hold yet, or all of
// them when they are to be made sure of.
func (a *attempt) collect() {
	for _, g := range a.depends(a.v) {
		if a.bound || !a.satisfied(g, a.target) {
			a.needs = append(a.needs, g)
		}
	}
	for _, r := range a.conflicts(a.v) {
		if a.bound || a.violated(r, a.target) {
			a.clashes = append(a.clashes, r)
		}
	}
}

// resolve brings about what a marked package needs. Meanwhile it is protected,
// so that nothing it leads to can undo it.
func (a *attempt) resolve() bool {
	m := a.of(a.p)
	m.protected = true
	defer func() { m.protected = a.bound }()
	a.upgradeSameSource()
	ok := true
	for _, step := range []func() bool{a.upgradeOrRemove, a.installNeeds, a.removeRest} {
		if !step() {
			if a.early {
				a.discardInstall(a.p)
				return false
			}
			ok = false
		}
	}
	return ok
}

// installNeeds installs, for each dependency that does not hold, the first of
// its solutions that can be.
func (a *attempt) installNeeds() bool {
	ok := true
	for _, g := range a.needs {
		if a.satisfied(g, a.target) {
			ok = a.bindOnly(g) && ok
			continue
		}
		if !a.installOne(g) {
			if ok = false; a.early {
				return false
			}
		}
	}
	return ok
}

// bindOnly protects what satisfies g when nothing else could and p itself is
// protected.
func (a *attempt) bindOnly(g group) bool {
	if !a.bound {
		return true
	}
	list := a.solutions(g, false, a.candidate)
	for _, v := range a.solutions(g, false, current) {
		if !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	if len(list) != 1 || a.of(list[0].pkg).protected {
		return true
	}
	a.of(list[0].pkg).protected = true
	return a.search.install(list[0].pkg, true, false, a.depth+1)
}

func (a *attempt) installOne(g group) bool {
	list := a.solutions(g, false, a.candidate)
	for _, v := range list {
		if a.candidate(v.pkg) != v { // given up since the list was made
			continue
		}
		if a.bound && len(list) == 1 {
			if !a.search.install(v.pkg, false, false, a.depth+1) {
				continue
			}
			a.of(v.pkg).protected = true
		}
		if a.search.install(v.pkg, true, false, a.depth+1) {
			return true
		}
	}
	return false
}
