package apt

import "slices"

// clear makes way for the candidate: what would clash with it is kept as it
// is, what does clash is to be upgraded, and what clashes either way is to be
// removed.
func (a *attempt) clear() bool {
	ok := true
	var bad []*pkg // whose candidates clash
	for _, r := range a.clashes {
		if !a.clearCandidates(r, &bad) {
			ok = false
		}
		if !ok && a.early {
			return false
		}
		if !a.clearInstalled(r, bad) {
			ok = false
		}
		if !ok && a.early {
			return false
		}
	}
	return ok
}

// clearCandidates sees to what would be installed or upgraded.
func (a *attempt) clearCandidates(r relation, bad *[]*pkg) bool {
	ok := true
	for _, v := range a.solutions(group{r}, true, a.candidate) {
		p, m := v.pkg, a.of(v.pkg)
		switch {
		case m.candidate != v: // given up since the list was made
		case p.current == v:
			ok = a.giveUp(p) && ok
		case m.mode == install && !a.keep(p):
			ok = false
		case a.bound:
			a.discardCandidate(p)
			m.protected = m.protected || p.current == nil
		default:
			*bad = append(*bad, p)
		}
		if !ok && a.early {
			return false
		}
	}
	return ok
}

// clearInstalled sees to what is installed and has another version to go to.
func (a *attempt) clearInstalled(r relation, bad []*pkg) bool {
	ok := true
	for _, v := range a.solutions(group{r}, true, current) {
		p, m := v.pkg, a.of(v.pkg)
		switch {
		case m.candidate != v && m.candidate != nil && !slices.Contains(bad, p):
			a.upgrades = append(a.upgrades, p)
		case m.candidate == p.current: // by clearCandidates
		default:
			ok = a.giveUp(p) && ok
		}
		if !ok && a.early {
			return false
		}
	}
	return ok
}

// giveUp lets go of an installed package that no upgrade would help: at once
// if the attempt is for good, else when it has succeeded.
func (a *attempt) giveUp(p *pkg) bool {
	m := a.of(p)
	if a.bound {
		if m.mode != remove && !a.remove(p) {
			return false
		}
		a.discardCandidate(p)
		m.protected = true
		return true
	}
	if m.mode == remove {
		return true
	}
	if !a.mayRemove(p) {
		return false
	}
	a.removals = append(a.removals, p)
	return true
}

// findDependents finds installed packages whose dependency on p is fulfilled
// now but would not be by the candidate: they have to be upgraded with it.
func (a *attempt) findDependents() {
	if a.p.current == nil {
		return
	}
	for _, q := range a.reverse[a.p.name] {
		mode := a.of(q).mode
		if mode != keep || slices.Contains(a.removals, q) || slices.Contains(a.upgrades, q) {
			continue
		}
		if a.leftBehind(q) {
			a.upgrades = append(a.upgrades, q)
		}
	}
}

func (a *attempt) leftBehind(q *pkg) bool {
	for _, g := range a.depends(q.current) {
		for _, r := range g {
			if r.name == a.p.name && a.targets(r, false)[0] == (key{a.p.name, a.p.arch}) &&
				r.accepts(a.p.current.version, true) && !r.accepts(a.v.version, true) {
				return true
			}
		}
	}
	return false
}

// upgradeSameSource upgrades the installed packages that were built from the
// same source as the candidate, if they have a candidate of that version:
// they are meant to be used together.
func (a *attempt) upgradeSameSource() {
	var list []*pkg
	for _, q := range a.installed {
		m := a.of(q)
		c := m.candidate
		if q == a.p || c == nil || c == q.current || c.source != a.v.source || c.srcText != a.v.srcText {
			continue
		}
		if m.mode != install || m.target != c {
			list = append(list, q)
		}
	}
	if len(list) > 1 {
		slices.SortFunc(list, a.byRank)
	}
	for _, deps := range []bool{false, true} {
		for _, q := range list {
			a.search.install(q, deps, false, a.depth+1)
		}
	}
}

// upgradeOrRemove does what clear and findDependents found to be necessary.
func (a *attempt) upgradeOrRemove() bool {
	ok := true
	for _, q := range a.upgrades {
		if a.of(q).mode == install || a.search.install(q, true, false, a.depth+1) {
			continue
		}
		if !a.remove(q) {
			if ok = false; a.early {
				return false
			}
		} else if a.bound {
			a.of(q).protected = true
		}
	}
	return ok
}

func (a *attempt) removeRest() bool {
	ok := true
	for _, q := range a.removals {
		if !a.remove(q) {
			if ok = false; a.early {
				return false
			}
		}
	}
	return ok
}
