package apt

// mode is what is to be done with a package.
type mode int

const (
	keep mode = iota
	install
	remove
)

// mark is what the search has decided about one package so far.
type mark struct {
	candidate *ver // what would be installed; nil: nothing can be
	target    *ver // what will be there in the end; nil: nothing
	mode      mode
	protected bool // decided for good: only the same again is allowed
	auto      bool // not asked for by name
}

// search is one run of apt's mark algorithm over a universe: install is called
// for what is wanted, calls itself for what that needs, and leaves marks.
type search struct {
	*universe
	marks   []mark            // by pkg.id
	reverse map[string][]*pkg // installed packages by a name they depend on
}

func newSearch(u *universe) *search {
	s := &search{universe: u, marks: make([]mark, len(u.all)), reverse: map[string][]*pkg{}}
	for _, p := range u.all {
		s.marks[p.id] = mark{candidate: p.candidate(), target: p.current}
	}
	for _, p := range u.installed {
		for _, g := range s.depends(p.current) {
			for _, r := range g {
				s.reverse[r.name] = append(s.reverse[r.name], p)
			}
		}
	}
	return s
}

func (s *search) of(p *pkg) *mark { return &s.marks[p.id] }

// The three states of the world that relations are held against.
func (s *search) target(p *pkg) *ver    { return s.marks[p.id].target }
func (s *search) candidate(p *pkg) *ver { return s.marks[p.id].candidate }
func current(p *pkg) *ver               { return p.current }

// mayChange tells whether the search, not the user, may give p that mode.
func (s *search) mayChange(p *pkg, to mode) bool {
	m := s.of(p)
	switch {
	case m.mode == to:
		return true
	case m.protected:
		return false
	case to == keep:
		return true
	case p.hold:
		return false
	}
	return to != remove || !p.essential && !p.important
}

// keep goes back to what is installed.
func (s *search) keep(p *pkg) bool {
	if !s.mayChange(p, keep) {
		return false
	}
	if m := s.of(p); m.mode != keep {
		m.mode, m.target = keep, p.current
	}
	return true
}

// remove marks p for removal, or gives up installing it.
func (s *search) remove(p *pkg) bool {
	if !s.mayRemove(p) {
		return false
	}
	m := s.of(p)
	if m.mode == remove || m.target == nil {
		return true
	}
	m.mode, m.target = remove, nil
	if p.current == nil {
		m.mode = keep
	}
	return true
}

// mayRemove tells whether p can be given up; a new package that was asked for
// by name cannot.
func (s *search) mayRemove(p *pkg) bool {
	m := s.of(p)
	return s.mayChange(p, remove) && (p.current != nil || m.target == nil || m.auto)
}

// discardCandidate makes sure that p is not changed any more by dependencies.
func (s *search) discardCandidate(p *pkg) {
	m := s.of(p)
	m.candidate = m.target
}

// discardInstall takes a failed installation back. What it already pulled in
// stays marked; sweep finds it.
func (s *search) discardInstall(p *pkg) {
	m := s.of(p)
	if m.mode == keep && m.target == m.candidate && m.candidate == p.current {
		return
	}
	m.mode, m.target = keep, p.current
	m.candidate = m.target
}
