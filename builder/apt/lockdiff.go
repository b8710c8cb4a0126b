package apt

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"pault.ag/go/debian/version"
)

// Change is one difference between two locks.
type Change struct {
	Kind ChangeKind `json:"kind"`
	What string     `json:"what"`          // package, role, or "base"
	Old  string     `json:"old,omitempty"` // version or the like; "" when it is new
	New  string     `json:"new,omitempty"` // "" when it is gone
}

// ChangeKind is what happened to something in a lock.
type ChangeKind string

const (
	BaseChanged ChangeKind = "base"
	RoleChanged ChangeKind = "role"
	Added       ChangeKind = "add"
	Removed     ChangeKind = "remove"
	Upgraded    ChangeKind = "upgrade"
	Downgraded  ChangeKind = "downgrade"
	// Rebuilt is a package of the same version with other bytes or in another
	// place.
	Rebuilt ChangeKind = "rebuild"
)

// String is the change as `berry lock` prints it.
func (c Change) String() string {
	switch c.Kind {
	case BaseChanged:
		return fmt.Sprintf("base %s -> %s", cmp.Or(c.Old, "none"), cmp.Or(c.New, "none"))
	case RoleChanged:
		return fmt.Sprintf("role %s: %s -> %s", c.What, cmp.Or(c.Old, "none"), cmp.Or(c.New, "none"))
	case Added, Removed:
		return fmt.Sprintf("%s %s %s", c.Kind, c.What, c.Old+c.New)
	}
	return fmt.Sprintf("%s %s %s -> %s", c.Kind, c.What, c.Old, c.New)
}

// Diff says what has changed since old, which may be nil: first the base, then
// the roles, then packages in the order of names. No change means that the
// files are the same.
func (l *Lock) Diff(old *Lock) []Change {
	if old == nil {
		old = &Lock{}
	}
	var list []Change
	if was, is := old.describeBase(), l.describeBase(); was != is {
		list = append(list, Change{BaseChanged, "base", was, is})
	}
	return append(append(list, l.diffRoles(old)...), l.diffPackages(old)...)
}

func (l *Lock) describeBase() string {
	if l.Base == (LockedBase{}) {
		return ""
	}
	names := strings.Join(slices.DeleteFunc([]string{l.Base.Origin, l.Base.URL, l.Suite, l.Arch},
		func(s string) bool { return s == "" }), " ")
	return names + " sha256:" + l.Base.SHA256
}

func (l *Lock) diffRoles(old *Lock) []Change {
	var list []Change
	for _, role := range keysOfBoth(l.Roles, old.Roles) {
		is, was := l.Roles[role], old.Roles[role]
		if !reflect.DeepEqual(is, was) {
			list = append(list, Change{RoleChanged, role, was.describe(), is.describe()})
		}
	}
	return list
}

// describe is what the role asks for and how much comes of it.
func (r LockedRole) describe() string {
	if r.Install == nil {
		return ""
	}
	return fmt.Sprintf("%s (%d packages)", strings.Join(r.Install, " "), len(r.Packages))
}

func (l *Lock) diffPackages(old *Lock) []Change {
	is, was := l.byRef(), old.byRef()
	var list []Change
	for _, ref := range keysOfBoth(is, was) {
		a, b := was[ref], is[ref]
		if a != b {
			list = append(list, Change{kindOf(a, b), ref, a.Version, b.Version})
		}
	}
	return list
}

func kindOf(was, is Package) ChangeKind {
	switch {
	case was.Name == "":
		return Added
	case is.Name == "":
		return Removed
	case was.Version == is.Version:
		return Rebuilt
	}
	if older(is.Version, was.Version) {
		return Downgraded
	}
	return Upgraded
}

// older tells whether a is an older version than b. What cannot be read, in a
// lock made by hand, is not.
func older(a, b string) bool {
	x, errX := version.Parse(a)
	y, errY := version.Parse(b)
	return errX == nil && errY == nil && version.Compare(x, y) < 0
}

// byRef are the packages by how roles name them.
func (l *Lock) byRef() map[string]Package {
	byRef := map[string]Package{}
	for _, p := range l.Packages {
		byRef[l.ref(p)] = p
	}
	return byRef
}

func keysOfBoth[V any](a, b map[string]V) []string {
	return slices.Compact(slices.Sorted(func(yield func(string) bool) {
		for _, m := range []map[string]V{a, b} {
			for key := range maps.Keys(m) {
				if !yield(key) {
					return
				}
			}
		}
	}))
}
