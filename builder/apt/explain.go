package apt

import (
	"fmt"
	"strings"
)

// explain says why p cannot be installed: the chain of dependencies down to
// the one that nothing fulfils.
func (s *search) explain(p *pkg) string {
	if why := s.because(p); why != "" {
		return why
	}
	if s.candidate(p) != nil && s.target(p) != nil && s.broken(p) {
		return s.lack(s.target(p), s.target)
	}
	return "apt's way of choosing finds no solution"
}

// because is that chain, or "" when every dependency could be had for itself.
// The search has given up candidates by now, so a fresh one is looked at.
func (s *search) because(p *pkg) string {
	fresh := newSearch(s.universe)
	v := fresh.candidate(p)
	if v == nil {
		return ""
	}
	return strings.Join(fresh.chain(v, s.target, map[*ver]bool{}), ", ")
}

// chain follows the first dependency of v that cannot be fulfilled; nil means
// that there is none. End is how the search ended, for conflicts among what
// was wanted.
func (s *search) chain(v *ver, end func(*pkg) *ver, seen map[*ver]bool) []string {
	seen[v] = true
	for _, g := range s.depends(v) {
		if s.satisfied(g, current) {
			continue
		}
		if tail := s.dead(g, end, seen); tail != nil {
			return append([]string{fmt.Sprintf("%s needs %s", v, g)}, tail...)
		}
	}
	for _, r := range s.conflicts(v) {
		for other := range s.matches(r, true, end) {
			if other.pkg != v.pkg {
				return []string{fmt.Sprintf("%s conflicts with %s", v, other)}
			}
		}
	}
	return nil
}

// dead says why no alternative of g can be had; nil means that one can.
func (s *search) dead(g group, end func(*pkg) *ver, seen map[*ver]bool) []string {
	var why []string
	for _, r := range g {
		for v := range s.matches(r, false, s.candidate) {
			if seen[v] {
				return nil
			}
			tail := s.chain(v, end, seen)
			if tail == nil {
				return nil
			}
			if why == nil {
				why = tail
			}
		}
	}
	if why == nil {
		why = []string{s.whyNot(g[0])}
	}
	return why
}

// lack says what is wrong with an installed or marked version.
func (s *search) lack(v *ver, at func(*pkg) *ver) string {
	for _, g := range s.depends(v) {
		if !s.satisfied(g, at) {
			return fmt.Sprintf("%s lacks %s", v, g)
		}
	}
	for _, r := range s.conflicts(v) {
		for other := range s.matches(r, true, at) {
			return fmt.Sprintf("%s conflicts with %s", v, other)
		}
	}
	return fmt.Sprintf("nothing is wrong with %s", v)
}

// whyNot says what the sources have instead of what a relation asks for.
func (u *universe) whyNot(r relation) string {
	k := u.targets(r, false)[0]
	if p := u.pkgs[k]; p != nil {
		if v := p.candidate(); v != nil {
			return fmt.Sprintf("the sources have only %s", v)
		}
		return fmt.Sprintf("no source that may be used has %s", r.name)
	}
	var names []string
	for _, pr := range u.provisions(k) {
		if len(names) == 0 || names[len(names)-1] != pr.by.name {
			names = append(names, pr.by.name)
		}
	}
	if len(names) > 0 {
		return fmt.Sprintf("%s is virtual and provided by %s", r.name, strings.Join(names, ", "))
	}
	return fmt.Sprintf("no source has %s", r.name)
}
