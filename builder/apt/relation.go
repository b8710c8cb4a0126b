package apt

import (
	"fmt"
	"strings"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"
)

// relation is one name in a relation field, such as "libc6 (>= 2.38)".
type relation struct {
	owner     *ver   // whose field it is
	name      string // without qualifier
	qualifier string // what follows the colon: "", "any" or an architecture
	op        string // one of << <= = >= >>, or ""
	version   version.Version
	text      string // the version as written
	breaks    bool   // of a Breaks field; makes no difference but in messages
	siblings  bool   // Multi-Arch's own: against the same package elsewhere
}

// group is alternatives of which one is enough: "a | b".
type group []relation

// String is the relation as a control file has it.
func (r relation) String() string {
	s := r.name
	if r.qualifier != "" {
		s += ":" + r.qualifier
	}
	if r.op != "" {
		s += " (" + r.op + " " + r.text + ")"
	}
	return s
}

// String is the group as a control file has it.
func (g group) String() string {
	var names []string
	for _, r := range g {
		names = append(names, r.String())
	}
	return strings.Join(names, " | ")
}

// accepts tells whether a version is one that the relation means. A virtual
// package without a version (ok false) answers only what asks for none.
func (r relation) accepts(v version.Version, ok bool) bool {
	if r.op == "" {
		return true
	}
	if !ok {
		return false
	}
	c := version.Compare(v, r.version)
	switch r.op {
	case "<<":
		return c < 0
	case "<=":
		return c <= 0
	case "=":
		return c == 0
	case ">=":
		return c >= 0
	case ">>":
		return c > 0
	}
	return c != 0 // "!=", which only Multi-Arch's own relations have
}

// parseRelations reads a relation field.
func parseRelations(owner *ver, field string) ([]group, error) {
	parsed, err := dependency.Parse(strings.Join(strings.Fields(field), " "))
	if err != nil {
		return nil, err
	}
	var groups []group
	for _, rel := range parsed.Relations {
		var g group
		for _, p := range rel.Possibilities {
			r := relation{owner: owner, name: p.Name}
			if p.Arch != nil {
				r.qualifier = p.Arch.String()
			}
			if p.Version != nil {
				r.op, r.text = p.Version.Operator, strings.TrimSpace(p.Version.Number)
				if r.version, err = version.Parse(r.text); err != nil {
					return nil, err
				}
			}
			g = append(g, r)
		}
		if len(g) > 0 {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// relations fills v's dependencies and conflicts, in apt's order: first what
// dpkg needs before unpacking.
func (v *ver) relations() error {
	if v.parsed {
		return nil
	}
	byField := map[string][]group{}
	for key, value := range v.control.fields() {
		switch key {
		case "Pre-Depends", "Depends", "Conflicts", "Breaks":
			groups, err := parseRelations(v, value)
			if err != nil {
				return fmt.Errorf("cannot read %s of %s: %w", key, v, err)
			}
			byField[key] = groups
		}
	}
	v.depends = append(byField["Pre-Depends"], byField["Depends"]...)
	for _, g := range byField["Conflicts"] {
		v.conflicts = append(v.conflicts, g...)
	}
	for _, g := range byField["Breaks"] {
		g[0].breaks = true
		v.conflicts = append(v.conflicts, g...)
	}
	v.parsed = true
	return nil
}
