package profiles

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// reading is one run of Load: where we are, and what was wrong so far.
type reading struct {
	file   string // as given by the caller
	dir    string // relative paths in the profile start here
	env    Env
	report Report
	bad    map[string]bool  // the paths that have a mistake
	told   map[Mistake]bool // the mistakes in the report, without their paths
}

// place is where a mistake points.
type place struct {
	path      string
	line, col int
}

func placeOf(path string, n *yaml.Node) place { return place{path, n.Line, n.Column} }

// add puts a problem into the report. Only the first problem of each path is
// kept: the second is nearly always the first one's echo. And a problem within
// an anchor is told once, not again for every alias.
func (in *reading) add(at place, p problem) {
	if !p.exists() || in.bad[at.path] {
		return
	}
	in.bad[at.path] = true
	m := Mistake{File: in.file, Line: at.line, Col: at.col, Path: at.path, Message: p.message, Hint: p.hint}
	anywhere := m
	anywhere.Path = ""
	if !in.told[anywhere] {
		in.told[anywhere] = true
		in.report = append(in.report, m)
	}
}

// badBelow tells whether path or anything inside it has a mistake.
func (in *reading) badBelow(path string) bool {
	for p := range in.bad {
		if rest, ok := strings.CutPrefix(p, path); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// item is one entry of a list.
type item struct {
	place
	value *yaml.Node
}

// target follows a YAML alias to what it stands for.
func target(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// scalar reads one line of text from a node.
func (in *reading) scalar(n *yaml.Node, at place) (value string, ok bool) {
	switch got := kind(n); {
	case got != "text":
		in.add(at, wrongType("text", got))
	case strings.ContainsFunc(n.Value, isControl):
		in.add(at, severalLines)
	default:
		return n.Value, true
	}
	return "", false
}

// kind names what a YAML node is, without its value: that may be a secret.
func kind(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	switch n.ShortTag() {
	case "!!str":
		return "text"
	case "!!int":
		return "a whole number"
	case "!!float":
		return "a number with a fraction, or too large"
	case "!!bool":
		return "true or false"
	case "!!timestamp":
		return "a date"
	case "!!null":
		return "nothing"
	}
	return "something with a tag of its own"
}
