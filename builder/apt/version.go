package apt

import (
	"fmt"
	"strings"

	"pault.ag/go/debian/version"
)

// pkg is a package name on one architecture, whatever versions there are.
type pkg struct {
	name      string
	arch      string
	versions  []*ver // highest first
	current   *ver   // what the base has installed; nil: nothing
	hold      bool   // dpkg is told never to change it
	essential bool   // Essential: yes in any version, and apt itself
	important bool   // Protected: yes
	id        int    // place in universe.all
}

// String is the name as apt prints it, the native architecture left to the
// reader.
func (p *pkg) String() string { return p.name }

// ver is one version of a package.
type ver struct {
	*pkg
	text     string // as written
	version  version.Version
	control  stanza
	archAll  bool
	multi    string // Multi-Arch: "same", "foreign", "allowed" or ""
	source   string // name of the source package
	srcText  string // version of the source package
	level    int    // apt's number for Priority: 1 required ... 5 extra, 0 none
	provides string // the Provides field
	found    []*index
	priority int  // of the best place it was found in
	pinned   bool // priority was set for this version alone

	parsed    bool // the two below are filled
	depends   []group
	conflicts []relation
}

// levels are dpkg's priorities from high to low; apt compares their numbers.
var levels = map[string]int{"required": 1, "important": 2, "standard": 3, "optional": 4, "extra": 5}

// newVer reads what is needed of every stanza, with what it says of its
// package in a new pkg. Relations are read when they are asked for, since most
// packages are never looked at.
func newVer(s stanza) (*ver, error) {
	v := &ver{pkg: &pkg{}, control: s}
	src := ""
	for key, value := range s.fields() {
		switch key {
		case "Package":
			v.name = strings.ToLower(value)
		case "Version":
			v.text = value
		case "Architecture":
			v.arch = value
		case "Multi-Arch":
			v.multi = value
		case "Source":
			src = value
		case "Provides":
			v.provides = value
		case "Priority":
			v.level = levels[value]
		case "Essential":
			v.essential = value == "yes"
		case "Important", "Protected":
			v.important = v.important || value == "yes"
		}
	}
	if v.name == "" || v.arch == "" {
		return nil, fmt.Errorf("cannot read a stanza without package and architecture: %.40q", string(s))
	}
	var err error
	if v.version, err = version.Parse(v.text); err != nil {
		return nil, fmt.Errorf("cannot read version %q of %s: %w", v.text, v.name, err)
	}
	v.setSource(src)
	if v.archAll = v.arch == "all"; v.archAll && v.multi == "same" {
		v.multi = "" // has no meaning; apt ignores it too
	}
	return v, nil
}

// setSource reads the Source field: a name, with the version in parentheses
// where it is not the binary package's.
func (v *ver) setSource(field string) {
	name, rest, _ := strings.Cut(field, " ")
	if v.source = name; name == "" {
		v.source = v.name
	}
	v.srcText = strings.Trim(strings.TrimSpace(rest), "()")
	if v.srcText == "" {
		v.srcText = v.text
	}
}

// String is name and version, for messages.
func (v *ver) String() string { return v.name + " " + v.text }
