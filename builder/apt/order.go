package apt

// rank is the place of a package in the order in which apt first hears of
// names: in a stanza, or in the relations of an earlier one. Apt has no better
// way to decide between equal providers than this (the later wins), and works
// through sets of packages in this order, so it has to be known.
func (u *universe) rank(p *pkg) int {
	if u.order == nil {
		u.order = make(map[key]int, 2*len(u.all))
		for _, text := range u.texts {
			for s := range stanzas(text) {
				u.hear(s)
			}
		}
	}
	return u.order[key{p.name, p.arch}]
}

// heard are the relation fields in the order apt reads them.
var heard = map[string]int{
	"Pre-Depends": 0, "Depends": 1, "Conflicts": 2, "Breaks": 3, "Recommends": 4,
	"Suggests": 5, "Replaces": 6, "Enhances": 7, "Provides": 8,
}

// hear notes the names of one stanza that are new.
func (u *universe) hear(s stanza) {
	var self key
	var foreign bool
	var relations [9]string
	for field, value := range s.fields() {
		if at, ok := heard[field]; ok {
			relations[at] = value
			continue
		}
		switch field {
		case "Package":
			self.name = value
		case "Architecture":
			if self.arch = value; value == "all" {
				self.arch = u.archs[0]
			}
		case "Multi-Arch":
			foreign = value == "foreign"
		}
	}
	u.number(self)
	for at, value := range relations {
		negative := at == 2 || at == 3 || at == 6
		for name := range names(value) {
			// These apply to every architecture, so apt makes up a package
			// for one only where the name is new to it.
			if (negative || foreign && at == 8) && u.knows(name) {
				continue
			}
			u.number(key{name, self.arch})
		}
	}
}

func (u *universe) number(k key) {
	if _, ok := u.order[k]; !ok {
		u.order[k] = len(u.order)
	}
}

func (u *universe) knows(name string) bool {
	for _, a := range u.archs {
		if _, ok := u.order[key{name, a}]; ok {
			return true
		}
	}
	return false
}
