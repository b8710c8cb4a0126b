package apt

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
	"pault.ag/go/debian/version"
)

// lockKey is one key of a part of the lock, and how its value is read.
type lockKey struct {
	name     string
	required bool
	read     func(n *yaml.Node, path string)
}

// keys reads a mapping that may have these keys and no others.
func (in *lockReading) keys(n *yaml.Node, path string, known []lockKey) {
	seen := map[string]bool{}
	ok := in.pairs(n, path, func(key, value *yaml.Node, at string) {
		for _, k := range known {
			if k.name == key.Value {
				seen[k.name] = true
				k.read(value, at)
				return
			}
		}
		in.mistake(key, at, "is not a key of a lock")
	})
	for _, k := range known {
		if ok && k.required && !seen[k.name] {
			in.mistake(n, under(path, k.name), "is missing")
		}
	}
}

func under(path, key string) string { return strings.TrimPrefix(path+"."+key, ".") }

// pairs walks through a mapping, and tells whether it is one.
func (in *lockReading) pairs(n *yaml.Node, path string, do func(key, value *yaml.Node, path string)) bool {
	if n.Kind != yaml.MappingNode {
		in.mistake(n, path, "must be keys and values")
		return false
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := under(path, key.Value)
		switch {
		case key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str":
			in.mistake(key, path, "has a key that is not text")
		case seen[key.Value]:
			in.mistake(key, at, "is there twice")
		default:
			seen[key.Value] = true
			do(key, n.Content[i+1], at)
		}
	}
	return true
}

// items are the values of a list.
func (in *lockReading) items(n *yaml.Node, path string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		in.mistake(n, path, "must be a list")
		return nil
	}
	return n.Content
}

// text reads a text that is right by that rule.
func (in *lockReading) text(into *string, rule lockRule) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		switch {
		case n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str":
			in.mistake(n, path, "must be text")
		case !rule.ok(n.Value):
			in.mistake(n, path, "is %q, which is not %s", n.Value, rule.what)
		default:
			*into = n.Value
		}
	}
}

// texts reads a list of different texts.
func (in *lockReading) texts(into *[]string, rule lockRule) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		*into = []string{}
		seen := map[string]bool{}
		for i, item := range in.items(n, path) {
			var one string
			at := fmt.Sprintf("%s[%d]", path, i)
			in.text(&one, rule)(item, at)
			if seen[one] && one != "" {
				in.mistake(item, at, "%s is there twice", one)
			}
			seen[one] = true
			*into = append(*into, one)
		}
	}
}

// count reads a number of bytes that is at least that.
func (in *lockReading) count(into *int64, least int64) func(*yaml.Node, string) {
	return func(n *yaml.Node, path string) {
		v, ok := in.number(n, path)
		if *into = v; ok && v < least {
			in.mistake(n, path, "must be at least %d", least)
		}
	}
}

// number reads a decimal number, and tells whether it is one.
func (in *lockReading) number(n *yaml.Node, path string) (int64, bool) {
	v, err := strconv.ParseInt(n.Value, 10, 64)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil {
		in.mistake(n, path, "must be a whole number")
		return 0, false
	}
	return v, true
}

// lockRule says what a text may be, in words too.
type lockRule struct {
	what string
	ok   func(string) bool
}

func matching(what, pattern string) lockRule {
	return lockRule{what, regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString}
}

// Names and versions are as Debian's policy has them: the pool makes file names
// of them.
var (
	word           = matching("a name as dpkg has it", `[a-z0-9][a-z0-9-]*`)
	packageName    = matching("a package name", `[a-z0-9][a-z0-9+.-]*`)
	packageRef     = matching("a package name", `[a-z0-9][a-z0-9+.-]*(:[a-z0-9][a-z0-9-]*)?`)
	digest         = lockRule{"a SHA-256 of 64 lower-case hex digits", isSHA256}
	line           = matching("one line of text", `[^\pC]+`)
	versionText    = regexp.MustCompile(`^([0-9]+:)?[A-Za-z0-9][A-Za-z0-9.+:~-]*$`)
	packageVersion = lockRule{"a version as dpkg has it", func(s string) bool {
		_, err := version.Parse(s)
		return err == nil && versionText.MatchString(s)
	}}
	webURL = lockRule{"an http or https URL", func(s string) bool {
		u, err := url.Parse(s)
		return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https") && line.ok(s)
	}}
)
