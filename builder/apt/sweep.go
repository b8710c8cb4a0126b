package apt

// sweep takes back new packages that nothing needs after all: they came with
// an alternative that failed later on.
func (s *search) sweep() {
	needed := s.reach()
	for _, p := range s.all {
		m := s.of(p)
		if p.current == nil && m.mode == install && !needed[p] {
			m.mode, m.target = keep, nil
		}
	}
}

// reach finds everything that is there in the end and not there by accident.
// Like apt's autoremover, it also spares what is only recommended or suggested.
func (s *search) reach() map[*pkg]bool {
	reached := map[*pkg]bool{}
	var todo []*pkg
	visit := func(p *pkg) {
		if !reached[p] {
			reached[p] = true
			todo = append(todo, p)
		}
	}
	for _, p := range s.all {
		if m := s.of(p); m.target != nil && (p.current != nil || !m.auto || p.essential || p.important) {
			visit(p)
		}
	}
	for len(todo) > 0 {
		v := s.target(todo[0])
		todo = todo[1:]
		for _, g := range append(s.depends(v), s.hints(v)...) {
			for _, r := range g {
				for other := range s.matches(r, false, s.target) {
					visit(other.pkg)
				}
			}
		}
	}
	return reached
}

// hints are what v recommends and suggests. Nobody is failed for a field here
// that cannot be read.
func (s *search) hints(v *ver) []group {
	var list []group
	for field, value := range v.control.fields() {
		if field == "Recommends" || field == "Suggests" {
			groups, err := parseRelations(v, value)
			if err == nil {
				list = append(list, groups...)
			}
		}
	}
	return list
}
