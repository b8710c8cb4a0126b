package apt

import (
	"fmt"
	"iter"
	"strings"

	"pault.ag/go/debian/version"
)

// provision is one entry of a Provides field, or one that Multi-Arch implies.
type provision struct {
	by        *ver
	version   version.Version
	versioned bool
}

// provisions is what stands in for a package, by its Provides field or by
// Multi-Arch: a foreign package does for every architecture, an allowed one
// for who asks for any.
func (u *universe) provisions(k key) []provision {
	if list, ok := u.standIns[k]; ok {
		return list
	}
	name, anyArch := strings.CutSuffix(k.name, ":any")
	var list []provision
	for _, v := range u.providers[name] {
		list = append(list, u.provides(v, k)...)
	}
	for _, a := range u.archs {
		p := u.pkgs[key{name, a}]
		if p == nil || a == k.arch {
			continue
		}
		for _, v := range p.versions {
			if anyArch && v.multi == "allowed" || !anyArch && v.multi == "foreign" {
				list = append(list, provision{by: v, version: v.version, versioned: true})
			}
		}
	}
	u.standIns[k] = list
	return list
}

// provides are the entries of v's Provides field that stand in for k.
func (u *universe) provides(v *ver, k key) []provision {
	groups, err := parseRelations(v, v.provides)
	if err != nil {
		u.fail(fmt.Errorf("cannot read Provides of %s: %w", v, err))
	}
	var list []provision
	for _, g := range groups {
		r := g[0]
		here := k.name == r.name && (k.arch == v.pkg.arch || v.multi == "foreign")
		byName := k.name == r.name+":any" && v.multi == "allowed"
		if r.qualifier != "" {
			here, byName = k == key{r.name, r.qualifier}, k.name == r.name+":"+r.qualifier
		}
		if (here || byName) && (r.op == "" || r.op == "=") {
			list = append(list, provision{v, r.version, r.op != ""})
		}
	}
	return list
}

// targets are the keys a relation may be answered under. A conflict without
// qualifier is with the package on every architecture.
func (u *universe) targets(r relation, negative bool) []key {
	switch {
	case r.siblings:
		return []key{{r.name, r.qualifier}}
	case r.qualifier == "any":
		return []key{{r.name + ":any", anyArch}}
	case r.qualifier == "native":
		return []key{{r.name, u.archs[0]}}
	case r.qualifier != "":
		return []key{{r.name, r.qualifier}, {r.name + ":" + r.qualifier, anyArch}}
	case negative && len(u.archs) > 1:
		var keys []key
		for _, a := range u.archs {
			keys = append(keys, key{r.name, a})
		}
		return keys
	}
	return []key{{r.name, r.owner.pkg.arch}}
}

// matches are the versions that answer a relation, by themselves or by what
// they provide. Which ones count is the caller's choice: at picks one version
// of a package, or nil.
func (u *universe) matches(r relation, negative bool, at func(*pkg) *ver) iter.Seq[*ver] {
	return func(yield func(*ver) bool) {
		for _, k := range u.targets(r, negative) {
			if p := u.pkgs[k]; p != nil && !(negative && r.ignores(p, false)) {
				if v := at(p); v != nil && r.accepts(v.version, true) && !yield(v) {
					return
				}
			}
			for _, pr := range u.provisions(k) {
				if pr.by != at(pr.by.pkg) || negative && r.ignores(pr.by.pkg, true) {
					continue
				}
				if r.accepts(pr.version, pr.versioned) && !yield(pr.by) {
					return
				}
			}
		}
	}
}

// ignores tells whether a conflict does not mean that package: nothing
// conflicts with itself, nor with what provides it under the same name, nor
// one Multi-Arch: same package with its sibling unless Multi-Arch says so.
func (r relation) ignores(p *pkg, provider bool) bool {
	same := p.name == r.owner.name
	switch {
	case provider:
		return same || r.siblings
	case !same:
		return false
	case p == r.owner.pkg:
		return true
	}
	return r.owner.multi == "same" && !r.siblings
}
