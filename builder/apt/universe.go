package apt

import (
	"slices"
	"strings"

	"pault.ag/go/debian/version"
)

// key names a package on an architecture. Relations with a qualifier have
// packages of their own, as in apt: "python3:any" is only ever provided.
type key struct{ name, arch string }

// anyArch is the architecture of what is asked for with ":any".
const anyArch = "any"

// universe is every package there is: those of the indexes and those that are
// installed, versions of one name and architecture together.
type universe struct {
	archs     []string // the native one first
	pkgs      map[key]*pkg
	all       []*pkg // in the order they were first seen
	installed []*pkg
	providers map[string][]*ver   // by a name in their Provides field
	standIns  map[key][]provision // what was asked for so far
	texts     []string            // what was read, in order
	order     map[key]int         // see order.go
	err       error               // first field that could not be read when it was needed
}

// fail keeps the first error met while relations are read, which happens deep
// inside the search; whoever started the search looks at u.err afterwards.
func (u *universe) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

func newUniverse(archs []string) *universe {
	return &universe{
		archs: archs, pkgs: map[key]*pkg{},
		providers: map[string][]*ver{}, standIns: map[key][]provision{},
	}
}

// addIndex adds the packages of an index. Indexes have to be added in apt's
// order, before the status.
func (u *universe) addIndex(text string, from *index) error {
	u.texts = append(u.texts, text)
	for s := range stanzas(text) {
		v, err := newVer(s)
		if err != nil {
			return err
		}
		v = u.add(v)
		if len(v.found) == 0 || from.priority > v.priority {
			v.priority = from.priority
		}
		v.found = append(v.found, from)
	}
	return nil
}

// addStatus adds what dpkg's status says is installed.
func (u *universe) addStatus(text string) error {
	u.texts = append(u.texts, text)
	for s := range stanzas(text) {
		state := s.field("Status")
		if !installed(state) {
			continue
		}
		v, err := newVer(s)
		if err != nil {
			return err
		}
		v = u.add(v)
		if len(v.found) == 0 || statusPriority > v.priority {
			v.priority = statusPriority
		}
		v.current, v.hold = v, strings.HasPrefix(state, "hold ")
		u.installed = append(u.installed, v.pkg)
	}
	return nil
}

// installed tells whether a Status field says that the package is there and
// needs nothing but perhaps a trigger run.
func installed(status string) bool {
	f := strings.Fields(status)
	return len(f) == 3 && slices.Contains([]string{"installed", "triggers-awaited", "triggers-pending"}, f[2])
}

// add puts a version where it belongs and returns it, or the same version if
// it was seen before.
func (u *universe) add(v *ver) *ver {
	k := key{v.name, v.arch}
	if v.archAll {
		k.arch = u.archs[0]
	}
	p := u.pkgs[k]
	if p == nil {
		p = v.pkg
		p.arch, p.id = k.arch, len(u.all)
		u.pkgs[k], u.all = p, append(u.all, p)
	}
	p.essential = p.essential || v.essential || v.name == "apt" // as apt sees itself
	p.important = p.important || v.important || v.name == "apt"
	v.pkg = p
	at, found := slices.BinarySearchFunc(p.versions, v, func(a, b *ver) int {
		return version.Compare(b.version, a.version)
	})
	if found && p.versions[at].text == v.text {
		return p.versions[at]
	}
	p.versions = slices.Insert(p.versions, at, v)
	for name := range names(v.provides) {
		u.providers[name] = append(u.providers[name], v)
	}
	return v
}
