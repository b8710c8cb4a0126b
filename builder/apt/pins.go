package apt

import (
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// pin is one wish of the base's apt preferences.
type pin struct {
	names    []string // packages; none means all ("Package: *")
	kind     string   // "version", "release" or "origin"
	data     string   // what follows the kind
	priority int
}

// readPins reads apt_preferences(5). The first pin that fits a version counts.
func (b *Base) readPins(root Root) error {
	files, err := parts(root, pinsPath, pinPartsPath, "", ".pref")
	if err != nil {
		return err
	}
	for _, f := range files {
		all, err := paragraphs(f)
		if err != nil {
			return err
		}
		for _, p := range all {
			one, err := newPin(p)
			if err != nil {
				return fmt.Errorf("cannot follow %s: %w", f.path, err)
			}
			b.pins = append(b.pins, one...)
		}
	}
	return nil
}

func newPin(p paragraph) ([]pin, error) {
	names := strings.Fields(p.get("Package"))
	kind, data, _ := strings.Cut(p.get("Pin"), " ")
	one := pin{kind: strings.ToLower(kind), data: strings.TrimSpace(data)}
	switch {
	case len(names) == 0:
		return nil, fmt.Errorf("a record has no Package")
	case kind == "":
		return nil, nil // apt passes over it as well
	case one.kind != "version" && one.kind != "release" && one.kind != "origin":
		return nil, fmt.Errorf("pin type %q is not one of version, release, origin", kind)
	}
	priority := p.get("Pin-Priority")
	var err error
	if one.priority, err = strconv.Atoi(priority); priority == "never" {
		one.priority = neverPriority
	} else if err != nil || one.priority == 0 {
		return nil, fmt.Errorf("pin priority %q is not a number other than 0", priority)
	}
	if len(names) != 1 || names[0] != "*" {
		one.names = names
	}
	return []pin{one}, nil
}

// priorityOf is the priority of an index as a whole.
func priorityOf(x *index, pins []pin) int {
	for _, p := range pins {
		if p.names == nil && p.fitsIndex(x) {
			return p.priority
		}
	}
	switch {
	case x.release.automaticUpgrades:
		return backportsPriority
	case x.release.notAutomatic:
		return manualPriority
	}
	return defaultPriority
}

// applyPins gives single packages the priorities that are wished for them.
func (u *universe) applyPins(pins []pin) {
	for _, one := range pins {
		for _, name := range one.names {
			for _, p := range u.all {
				if p.arch != u.archs[0] && !strings.Contains(name, ":") {
					continue
				}
				for _, v := range p.versions {
					if !v.pinned && named(name, v) && one.fits(v) {
						v.priority, v.pinned = one.priority, true
					}
				}
			}
		}
	}
}

// named tells whether a name of a pin means v's package: a name, glob or
// /regular expression/, of a source package after "src:", with ":arch" behind
// it or ":any".
func named(name string, v *ver) bool {
	name, src := strings.CutPrefix(name, "src:")
	if at := strings.LastIndex(name, ":"); at >= 0 {
		arch := name[at+1:]
		if name = name[:at]; arch != "any" && arch != v.arch {
			return false
		}
	}
	if src {
		return like(name, v.source)
	}
	return like(name, v.name)
}

// fits tells whether the pin means that version.
func (p pin) fits(v *ver) bool {
	if p.kind == "version" {
		return like(p.data, v.text)
	}
	for _, x := range v.found {
		if p.fitsIndex(x) {
			return true
		}
	}
	return false
}

// fitsIndex tells whether the pin means everything from that index.
func (p pin) fitsIndex(x *index) bool {
	switch p.kind {
	case "origin":
		return like(strings.Trim(p.data, `"`), x.host())
	case "version":
		return false
	}
	if p.data == "*" {
		return true
	}
	if !strings.Contains(p.data, "=") {
		r := x.release
		return like(p.data, r.suite) || like(p.data, r.codename) || like(p.data, r.version)
	}
	any := false
	for _, term := range strings.Split(p.data, ",") {
		key, want, _ := strings.Cut(strings.TrimSpace(term), "=")
		got, known := x.facts()[key]
		if known && !like(want, got) {
			return false
		}
		any = any || known
	}
	return any
}

// facts are what a release pin can ask for, under its one-letter names.
func (x *index) facts() map[string]string {
	r := x.release
	return map[string]string{
		"a": r.suite, "n": r.codename, "v": r.version, "o": r.origin,
		"l": r.label, "c": x.component, "b": x.arch,
	}
}

// like compares as apt does: a /regular expression/, else a glob, case aside.
func like(pattern, s string) bool {
	if len(pattern) > 2 && pattern[0] == '/' && pattern[len(pattern)-1] == '/' {
		re, err := regexp.Compile("(?i)" + pattern[1:len(pattern)-1])
		return err == nil && re.MatchString(s)
	}
	// In a glob of path a star stops at a slash; in apt's it does not.
	plain := strings.NewReplacer("/", "\x00")
	ok, err := path.Match(plain.Replace(strings.ToLower(pattern)), plain.Replace(strings.ToLower(s)))
	return ok && err == nil
}
