package apt

import (
	"fmt"
	"strconv"

	"pault.ag/go/debian/version"
)

// Priorities of where a version comes from, as apt_preferences(5) has them.
const (
	defaultPriority   = 500
	statusPriority    = 100 // what is installed and nowhere else
	backportsPriority = 100 // NotAutomatic with ButAutomaticUpgrades
	manualPriority    = 1   // NotAutomatic
	downgradePriority = 1000
	neverPriority     = -32768 // "Pin-Priority: never"
)

// candidate is the version that installing p by name would bring: the one of
// the highest priority, the newest of several, and nothing older than what is
// installed unless its priority says so.
func (p *pkg) candidate() *ver {
	best, found := -1, (*ver)(nil)
	for _, v := range p.versions {
		older := p.current != nil && version.Compare(v.version, p.current.version) < 0
		if v.priority == 0 || v.priority <= best || older && v.priority < downgradePriority {
			continue
		}
		best, found = v.priority, v
	}
	return found
}

// describe is what an index says of a version.
func (v *ver) describe() (Package, error) {
	if len(v.found) == 0 {
		return Package{}, fmt.Errorf("cannot download %s: no source has it any more", v)
	}
	p := Package{Name: v.name, Version: v.text, Arch: v.arch}
	if v.archAll {
		p.Arch = "all"
	}
	if v.current != nil {
		p.Installed = v.current.text
	}
	for key, value := range v.control.fields() {
		switch key {
		case "Filename":
			p.URL = v.found[0].uri + value
		case "SHA256":
			p.SHA256 = value
		case "Size":
			p.Size, _ = strconv.ParseInt(value, 10, 64)
		case "Installed-Size":
			kib, _ := strconv.ParseInt(value, 10, 64)
			p.InstalledSize = kib << 10
		}
	}
	if !isSHA256(p.SHA256) || p.Size <= 0 || p.URL == "" {
		return Package{}, fmt.Errorf("cannot download %s: its index entry has no Filename, Size or SHA256", v)
	}
	return p, nil
}
