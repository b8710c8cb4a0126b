package apt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"berries/profiles"
)

// ReadLock reads what Lock.Write wrote. Anything else in the file is an error,
// a profiles.Report with the place of every mistake.
func ReadLock(path string) (*Lock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the lock: %w", err)
	}
	return parseLock(path, text)
}

func parseLock(path string, text []byte) (*Lock, error) {
	in := &lockReading{file: path, refs: map[string]bool{}}
	l := &Lock{Roles: map[string]LockedRole{}, Packages: []Package{}}
	if root := in.document(text); root != nil {
		in.lock(root, l)
	}
	if len(in.report) > 0 {
		return nil, in.report
	}
	slices.SortFunc(l.Packages, byName)
	return l, nil
}

// lockHint is what helps against any mistake in a lock.
const lockHint = "berry lock makes it anew; git or a backup has the old one"

// lockReading is one run of ReadLock.
type lockReading struct {
	file   string
	report profiles.Report
	refs   map[string]bool // the packages there are, as roles name them
}

func (in *lockReading) mistake(n *yaml.Node, path, format string, args ...any) {
	in.report = append(in.report, profiles.Mistake{File: in.file, Line: n.Line, Col: n.Column, Path: path,
		Message: fmt.Sprintf(format, args...), Hint: lockHint})
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+):`)

// document parses the one YAML document of a lock; nil means that it has none,
// which was reported.
func (in *lockReading) document(text []byte) *yaml.Node {
	d := yaml.NewDecoder(bytes.NewReader(text))
	var root, second yaml.Node
	err := d.Decode(&root)
	if err == nil {
		if err = d.Decode(&second); err == nil {
			err = errors.New("it holds several documents")
		}
	}
	switch {
	case errors.Is(err, io.EOF) && len(root.Content) == 1:
		return root.Content[0]
	case errors.Is(err, io.EOF):
		err = errors.New("it is empty")
	}
	at := &yaml.Node{Line: 1, Column: 1}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		at.Line, _ = strconv.Atoi(m[1])
	}
	in.mistake(at, "", "it cannot be read as a lock: %v", err)
	return nil
}

// lock reads the whole file. Packages come before the roles that name them.
func (in *lockReading) lock(n *yaml.Node, l *Lock) {
	var roles, packages *yaml.Node
	in.keys(n, "", []lockKey{
		{"version", true, func(n *yaml.Node, path string) {
			if v, ok := in.number(n, path); ok && v != lockVersion {
				in.mistake(n, path, "it has version %d, and this berry knows %d", v, lockVersion)
			}
		}},
		{"base", true, func(n *yaml.Node, path string) { in.base(n, path, &l.Base) }},
		{"suite", true, in.text(&l.Suite, word)},
		{"arch", true, in.text(&l.Arch, word)},
		{"roles", true, func(n *yaml.Node, _ string) { roles = n }},
		{"packages", true, func(n *yaml.Node, _ string) { packages = n }},
	})
	if packages != nil {
		for i, item := range in.items(packages, "packages") {
			in.pkg(item, fmt.Sprintf("packages[%d]", i), l)
		}
	}
	if roles != nil {
		in.roles(roles, l)
	}
}

func (in *lockReading) base(n *yaml.Node, path string, b *LockedBase) {
	in.keys(n, path, []lockKey{
		{"origin", true, in.text(&b.Origin, line)},
		{"url", false, in.text(&b.URL, webURL)},
		{"sha256", true, in.text(&b.SHA256, digest)},
	})
}

// pkg reads one package and adds it to the lock.
func (in *lockReading) pkg(n *yaml.Node, path string, l *Lock) {
	before := len(in.report)
	var p Package
	in.keys(n, path, []lockKey{
		{"name", true, in.text(&p.Name, packageName)},
		{"version", true, in.text(&p.Version, packageVersion)},
		{"arch", true, in.text(&p.Arch, word)},
		{"url", true, in.text(&p.URL, webURL)},
		{"sha256", true, in.text(&p.SHA256, digest)},
		{"size", true, in.count(&p.Size, 1)},
		{"installed_size", true, in.count(&p.InstalledSize, 0)},
		{"replaces", false, in.text(&p.Installed, packageVersion)},
	})
	if len(in.report) > before {
		return
	}
	ref := l.ref(p)
	if in.refs[ref] {
		in.mistake(n, path, "%s is there twice", ref)
	}
	in.refs[ref] = true
	l.Packages = append(l.Packages, p)
}

// roles reads what each role gets. When a package could not be read there is
// no telling which names are wrong.
func (in *lockReading) roles(n *yaml.Node, l *Lock) {
	known := packageRef
	if len(in.report) == 0 {
		known = lockRule{"one of the packages of this lock", func(ref string) bool { return in.refs[ref] }}
	}
	in.pairs(n, "roles", func(key, value *yaml.Node, path string) {
		var r LockedRole
		in.keys(value, path, []lockKey{
			{"install", true, in.texts(&r.Install, packageRef)},
			{"packages", true, in.texts(&r.Packages, known)},
		})
		slices.Sort(r.Packages)
		r.Install = asked(r.Install)
		l.Roles[key.Value] = r
	})
}
