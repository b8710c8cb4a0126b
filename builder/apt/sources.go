package apt

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Source is one suite of one repository, as the base's apt is told of it.
type Source struct {
	URI        string   // with a slash at the end
	Suite      string   // a path below URI when it ends with a slash ("flat")
	Components []string // none in a flat repository
	Archs      []string // none means all of the base's
	SignedBy   []string // key files, or fingerprints of trusted keys; see Key
	Key        string   // armored keys written in the source itself
	Where      string   // file and line, for messages
}

// Flat tells whether the repository has no components.
func (s Source) Flat() bool { return strings.HasSuffix(s.Suite, "/") }

// readSources reads both of apt's formats. Only what is certain to be read as
// apt reads it is taken; anything else is an error.
func (b *Base) readSources(root Root) error {
	files, err := parts(root, sourcesPath, sourcePartsPath, ".list", ".sources")
	if err != nil {
		return err
	}
	for _, f := range files {
		read := b.readLines
		if path.Ext(f.path) == ".sources" {
			read = b.readDeb822
		}
		list, err := read(f)
		if err != nil {
			return err
		}
		b.Sources = append(b.Sources, list...)
	}
	if len(b.Sources) == 0 {
		return fmt.Errorf("%s and %s name no repository", sourcesPath, sourcePartsPath)
	}
	return nil
}

// readLines reads the one-line format: deb [options] URI suite components.
func (b *Base) readLines(f file) ([]Source, error) {
	var list []Source
	number := 0
	for line := range strings.Lines(f.text) {
		number++
		line, _, _ = strings.Cut(line, "#")
		kind, rest, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "\t", " ")), " ")
		if kind == "" || kind == "deb-src" {
			continue
		}
		s := Source{Where: fmt.Sprintf("%s:%d", f.path, number)}
		if kind != "deb" {
			return nil, fmt.Errorf("%s: %q is not a kind of source: want deb or deb-src", s.Where, kind)
		}
		words, err := s.takeOptions(strings.TrimSpace(rest))
		if err != nil {
			return nil, err
		}
		if len(words) < 2 {
			return nil, fmt.Errorf("%s: want a URI, a suite and components", s.Where)
		}
		s.URI, s.Suite, s.Components = words[0], words[1], words[2:]
		if s, err = s.checked(b.Arch); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

// takeOptions takes the [options] off the front of a line and returns the
// words after them.
func (s *Source) takeOptions(rest string) ([]string, error) {
	options := ""
	if strings.HasPrefix(rest, "[") {
		var closed bool
		if options, rest, closed = strings.Cut(rest[1:], "]"); !closed {
			return nil, fmt.Errorf("%s: the bracket is not closed", s.Where)
		}
	}
	if strings.ContainsAny(options+rest, `"'%`) {
		return nil, fmt.Errorf("%s: quoted words cannot be read here", s.Where)
	}
	for _, option := range strings.Fields(options) {
		name, value, ok := strings.Cut(option, "=")
		if !ok {
			return nil, fmt.Errorf("%s: option %q has no value", s.Where, option)
		}
		if err := s.option(name, strings.Split(value, ",")); err != nil {
			return nil, err
		}
	}
	return strings.Fields(rest), nil
}

// option applies one option under its name in the one-line format.
func (s *Source) option(name string, values []string) error {
	switch name {
	case "arch":
		s.Archs = values
	case "signed-by":
		s.SignedBy = values
	case "lang", "target", "pdiffs", "by-hash":
		// about files that are not fetched here, or how
	default:
		return fmt.Errorf("%s: option %s is not understood here", s.Where, name)
	}
	return nil
}

// checked makes sure that the source can be used, and makes it uniform.
func (s Source) checked(native string) (Source, error) {
	if !strings.HasPrefix(s.URI, "http://") && !strings.HasPrefix(s.URI, "https://") {
		return s, fmt.Errorf("%s: %s is not an http or https URI", s.Where, s.URI)
	}
	s.URI = strings.TrimRight(s.URI, "/") + "/"
	s.Suite = strings.ReplaceAll(s.Suite, "$(ARCH)", native)
	switch {
	case s.Flat() && len(s.Components) > 0:
		return s, fmt.Errorf("%s: suite %s ends with a slash, so there can be no components", s.Where, s.Suite)
	case !s.Flat() && len(s.Components) == 0:
		return s, fmt.Errorf("%s: want components after suite %s", s.Where, s.Suite)
	case slices.Contains(strings.Split(s.Suite, "/"), ".."):
		return s, fmt.Errorf("%s: suite %s leads out of the repository", s.Where, s.Suite)
	}
	return s, nil
}
