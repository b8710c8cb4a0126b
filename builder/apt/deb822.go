package apt

import (
	"fmt"
	"slices"
	"strings"
)

// deb822Options are the fields of a .sources file that are options of the
// one-line format under another name.
var deb822Options = map[string]string{
	"architectures": "arch", "languages": "lang", "targets": "target",
	"pdiffs": "pdiffs", "by-hash": "by-hash",
}

// readDeb822 reads the format of .sources files: a record for any number of
// URIs and suites.
func (b *Base) readDeb822(f file) ([]Source, error) {
	records, err := paragraphs(f)
	if err != nil {
		return nil, err
	}
	var list []Source
	for i, p := range records {
		where := fmt.Sprintf("%s: record %d", f.path, i+1)
		wanted, err := wantedRecord(p)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		if !wanted {
			continue
		}
		some, err := b.expand(p, where)
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// wantedRecord tells whether a record is enabled and has binary packages.
func wantedRecord(p paragraph) (bool, error) {
	switch enabled := strings.ToLower(p.get("Enabled")); enabled {
	case "no", "false", "without", "off", "disable", "0":
		return false, nil
	case "", "yes", "true", "with", "on", "enable", "1":
	default:
		return false, fmt.Errorf("its Enabled is %q, neither yes nor no", enabled)
	}
	types := strings.Fields(p.get("Types"))
	for _, t := range types {
		if t != "deb" && t != "deb-src" {
			return false, fmt.Errorf("type %q is not deb or deb-src", t)
		}
	}
	if len(types) == 0 {
		return false, fmt.Errorf("it has no Types")
	}
	return slices.Contains(types, "deb"), nil
}

// expand makes one source for each URI and suite of a record.
func (b *Base) expand(p paragraph, where string) ([]Source, error) {
	one := Source{Where: where, Components: strings.Fields(p.get("Components"))}
	if err := one.takeFields(p); err != nil {
		return nil, err
	}
	uris, suites := strings.Fields(p.get("URIs")), strings.Fields(p.get("Suites"))
	if len(uris) == 0 || len(suites) == 0 {
		return nil, fmt.Errorf("%s: want URIs and Suites", where)
	}
	var list []Source
	for _, uri := range uris {
		for _, suite := range suites {
			s := one
			s.URI, s.Suite = uri, suite
			s, err := s.checked(b.Arch)
			if err != nil {
				return nil, err
			}
			list = append(list, s)
		}
	}
	return list, nil
}

// takeFields applies the fields of a record that are options. A Signed-By that
// is a key itself is told from paths by its first line.
func (s *Source) takeFields(p paragraph) error {
	for _, name := range p.Order {
		value := p.get(name)
		lower := strings.ToLower(name)
		switch {
		case slices.Contains([]string{"types", "uris", "suites", "components", "enabled"}, lower):
		case strings.HasPrefix(lower, "x-"): // other programs' notes
		case lower == "signed-by":
			if strings.HasPrefix(value, "-----BEGIN") {
				s.Key = value
			} else {
				s.SignedBy = strings.FieldsFunc(value, func(r rune) bool { return strings.ContainsRune(", \n\t", r) })
			}
		default:
			option, ok := deb822Options[lower]
			if !ok {
				option = lower
			}
			if err := s.option(option, strings.Fields(value)); err != nil {
				return err
			}
		}
	}
	return nil
}
