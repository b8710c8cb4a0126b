package profiles

import (
	"regexp"
	"strconv"

	"gopkg.in/yaml.v3"
)

// mapping is one YAML mapping being read, by key. Its methods report what
// they cannot read and answer with a fallback, so that reading goes on and
// finds the other mistakes too.
type mapping struct {
	in      *reading
	at      place // where a missing key points
	entries map[string]entry
	merged  bool // has a merge key
}

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

type entry struct{ key, value *yaml.Node }

// mapping takes the keys of a YAML mapping that is the given part of the
// schema. It returns nil, having said so, when n is something else.
func (in *reading) mapping(n *yaml.Node, at place, part string) *mapping {
	if n.Kind != yaml.MappingNode {
		in.add(at, wrongType("keys and values", kind(n)))
		return nil
	}
	m := &mapping{in: in, at: at, entries: map[string]entry{}}
	for i := 0; i+1 < len(n.Content); i += 2 {
		m.take(entry{target(n.Content[i]), target(n.Content[i+1])}, part)
	}
	return m
}

// take adds one entry, after checking that its key is known and new.
func (m *mapping) take(e entry, part string) {
	name := e.key.Value
	at := placeOf(m.path(name), e.key)
	switch first, again := m.entries[name]; {
	case e.key.ShortTag() == "!!merge":
		m.merged = true
		m.in.add(at, mergeKey)
	case e.key.Kind != yaml.ScalarNode:
		m.in.add(placeOf(m.at.path, e.key), keyNotText)
	case kind(e.key) != "text":
		m.in.add(at, keyNotText)
	case again:
		m.in.add(at, keyTwice(first.key.Line))
	default:
		m.entries[name] = e
		m.in.add(at, keyProblem(part, name))
	}
}

// path is the path of a key of this mapping. A key that is no plain word is
// quoted in it.
func (m *mapping) path(key string) string {
	if !plainWord.MatchString(key) {
		key = strconv.Quote(key)
	}
	if m.at.path == "" {
		return key
	}
	return m.at.path + "." + key
}

// place is where a mistake about key points: at a plain value, else at the
// key, else, when it is missing, at the parent.
func (m *mapping) place(key string) place {
	e, ok := m.entries[key]
	switch {
	case !ok:
		return place{m.path(key), m.at.line, m.at.col}
	case e.value.Kind == yaml.ScalarNode && e.value.ShortTag() != "!!null":
		return placeOf(m.path(key), e.value)
	}
	return placeOf(m.path(key), e.key)
}

// refuse reports a problem with the value of key, or with its absence. What a
// merge key brings is not known, so that there nothing is absent.
func (m *mapping) refuse(key string, p problem) {
	if m.has(key) || !m.merged {
		m.in.add(m.place(key), p)
	}
}

// has tells whether the key is there, whatever its value.
func (m *mapping) has(key string) bool { return m.entries[key].key != nil }

// wrong tells whether any of the keys cannot be relied on.
func (m *mapping) wrong(keys ...string) bool {
	for _, key := range keys {
		if m.merged && !m.has(key) || m.in.badBelow(m.path(key)) {
			return true
		}
	}
	return false
}

// scalar reads one line of text that may be empty; ok is false when there is
// none.
func (m *mapping) scalar(key string) (value string, ok bool) {
	if !m.has(key) {
		return "", false
	}
	return m.in.scalar(m.entries[key].value, m.place(key))
}

// text reads one line of text, or gives the fallback when there is none.
func (m *mapping) text(key, fallback string) string {
	value, ok := m.scalar(key)
	switch {
	case !ok:
		return fallback
	case value == "":
		m.refuse(key, noValue)
		return fallback
	}
	return value
}

// need reads text that has to be there. The example goes into the hint.
func (m *mapping) need(key, example string) string {
	if !m.has(key) {
		m.refuse(key, missing(key, example))
	}
	return m.text(key, "")
}

// number reads a whole number, or gives the fallback when there is none.
func (m *mapping) number(key string, fallback int) int {
	if !m.has(key) {
		return fallback
	}
	n, value := m.entries[key].value, 0
	switch got := kind(n); {
	case got != "a whole number":
		m.refuse(key, wrongType("a whole number", got))
	case n.Decode(&value) != nil:
		m.refuse(key, wrongType("a whole number", "one that is too large"))
	default:
		return value
	}
	return fallback
}

// below reads the mapping at key, which is the given part of the schema. It
// is nil when there is none.
func (m *mapping) below(key, part string) *mapping {
	if !m.has(key) {
		return nil
	}
	return m.in.mapping(m.entries[key].value, m.place(key), part)
}

// maxList is more entries than any list of a cluster has. It keeps a few
// kilobytes of YAML aliases from becoming millions of nodes.
const maxList = 100

// list reads the list at key.
func (m *mapping) list(key string) []item {
	if !m.has(key) {
		return nil
	}
	n := m.entries[key].value
	if n.Kind != yaml.SequenceNode {
		m.refuse(key, wrongType("a list", kind(n)))
		return nil
	}
	if len(n.Content) > maxList {
		m.refuse(key, longList)
		return nil
	}
	items := make([]item, len(n.Content))
	for i, value := range n.Content {
		value = target(value)
		items[i] = item{placeOf(m.path(key)+"["+strconv.Itoa(i)+"]", value), value}
	}
	return items
}

// hasMapping tells whether there are keys and values below key.
func (m *mapping) hasMapping(key string) bool {
	return m.has(key) && m.entries[key].value.Kind == yaml.MappingNode
}

// says tells whether the value of key is this very word.
func (m *mapping) says(key, word string) bool {
	return m.has(key) && kind(m.entries[key].value) == "text" && m.entries[key].value.Value == word
}
