package apt

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/builder/apt/apttest"
	"berries/builder/fetch"
)

var lean = []string{"--no-install-recommends"}

// ids are packages as verdict has them.
func ids(list []Package) []string {
	var out []string
	for _, p := range list {
		out = append(out, p.Name+" "+p.Version+" "+p.Arch)
	}
	slices.Sort(out)
	return out
}

// open reads the world as a base and fetches its indexes.
func (w *world) open() *Archive {
	w.t.Helper()
	b, err := ReadBase(dirRoot(w.dir))
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := Open(w.t.Context(), b, Options{
		Files: &fetch.Client{Cache: w.dir + "/berry-cache"}, Now: time.Now,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// trusting moves the key to where apt looks for it below any root: the path in
// Signed-By would be one of this machine.
func trusting(f apttest.Files) apttest.Files {
	f[trustedPartPath+"/apttest.gpg"] = f[apttest.KeyringPath]
	delete(f, apttest.KeyringPath)
	before, _, _ := strings.Cut(f[apttest.SourcesPath], "Signed-By:")
	f[apttest.SourcesPath] = before
	return f
}

// debs reads packages written one a line: "name version [arch]; Field: value;
// …". The architecture is arm64 where it is not said.
func debs(t *testing.T, text string) []apttest.Deb {
	t.Helper()
	var list []apttest.Deb
	for line := range strings.Lines(text) {
		head, fields, _ := strings.Cut(strings.TrimSpace(line), ";")
		words := append(strings.Fields(head), "arm64")
		if len(words) < 3 {
			continue
		}
		d := apttest.Deb{Name: words[0], Version: words[1], Arch: words[2]}
		for _, f := range strings.Split(fields, ";") {
			if f = strings.TrimSpace(f); f != "" {
				d.Fields += f + "\n"
			}
		}
		list = append(list, d)
	}
	return list
}

// TestClosureAsApt makes up small archives and bases, and has apt judge each
// answer: the same packages, or both refuse. Apt would remove packages in some;
// that is an error here, and says so.
func TestClosureAsApt(t *testing.T) {
	tests := map[string]struct {
		base, archive string
		files         apttest.Files // more of the base
		install       string
		want          string // names, or what the error says after "!"
	}{
		"what is needed comes too":         {archive: "a 1; Depends: b\nb 1; Pre-Depends: c\nc 1", install: "a", want: "a b c"},
		"recommends do not":                {archive: "a 1; Recommends: b; Suggests: c\nb 1\nc 1", install: "a", want: "a"},
		"unless they are wanted":           {archive: "a 1; Recommends: b\nb 1", install: "a b", want: "a b"},
		"the first alternative":            {archive: "a 1; Depends: b | c\nb 1\nc 1", install: "a", want: "a b"},
		"an alternative that is installed": {base: "c 1", archive: "a 1; Depends: b | c\nb 1\nc 1", install: "a", want: "a"},
		"an alternative that is wanted":    {archive: "a 1; Depends: b | c\nb 1\nc 1", install: "a c", want: "a c"},
		"an alternative that can be had":   {archive: "a 1; Depends: b | c\nb 1; Depends: nowhere\nc 1", install: "a", want: "a c"},
		"a virtual package":                {archive: "a 1; Depends: v\nb 1; Provides: v", install: "a", want: "a b"},
		"a virtual package of two":         {archive: "a 1; Depends: v\nb 1; Provides: v\nc 1; Provides: v", install: "a"},
		"a virtual package with a version": {archive: "a 1; Depends: v (>= 2)\nb 1; Provides: v (= 1)\nc 1; Provides: v (= 2)", install: "a", want: "a c"},
		"none has the version":             {archive: "a 1; Depends: v (>= 2)\nb 1; Provides: v", install: "a", want: "!a 1 needs v (>= 2)"},
		"an upgrade that is needed":        {base: "b 1", archive: "a 1; Depends: b (>= 2)\nb 2", install: "a", want: "a b"},
		"an upgrade that is not":           {base: "b 1", archive: "a 1; Depends: b\nb 2", install: "a", want: "a"},
		"what is there already":            {base: "a 1", archive: "a 1", install: "a", want: ""},
		"what is there and has an update":  {base: "a 1", archive: "a 2", install: "a", want: "a"},
		"what is there and is newer":       {base: "a 3", archive: "a 2", install: "a", want: ""},
		"versions as dpkg sorts them":      {base: "b 1.9", archive: "a 1; Depends: b (>> 1.10~), b (<< 1.10-2)\nb 1.10-1", install: "a", want: "a b"},
		"an epoch":                         {base: "b 9", archive: "a 1; Depends: b (>= 1:1)\nb 1:1", install: "a", want: "a b"},
		"breaks of an old one":             {base: "b 1", archive: "a 1; Breaks: b (<< 2)\nb 2", install: "a", want: "a b"},
		"a conflict with the base":         {base: "b 1", archive: "a 1; Conflicts: b\nb 1", install: "a", want: "!b of the base would have to be removed"},
		"a conflict of two":                {archive: "a 1; Conflicts: b\nb 1", install: "a b", want: "!conflicts with"},
		"a replacement":                    {base: "b 1", archive: "a 1; Provides: b; Conflicts: b; Replaces: b", install: "a", want: "!would have to be removed"},
		"all and foreign":                  {archive: "a 1; Depends: b\nb 1 all; Multi-Arch: foreign", install: "a", want: "a b"},
		"any":                              {archive: "a 1; Depends: b:any\nb 1; Multi-Arch: allowed", install: "a", want: "a b"},
		"a circle":                         {archive: "a 1; Depends: b\nb 1; Depends: a", install: "a", want: "a b"},
		"the same source goes together": {base: "b 1; Source: s\nc 1; Source: s",
			archive: "a 1; Depends: b (= 2)\nb 2; Source: s\nc 2; Source: s", install: "a", want: "a b c"},
		"what stands in its way is upgraded": {base: "b 1\nc 1; Depends: b (= 1)",
			archive: "a 1; Depends: b (= 2)\nb 2\nc 2; Depends: b (= 2)", install: "a", want: "a b c"},
		"a pin on an older version": {archive: "a 1\na 2", install: "a", want: "a",
			files: apttest.Files{"/etc/apt/preferences.d/a": "Package: a\nPin: version 1\nPin-Priority: 900\n"}},
		"a pin against it": {archive: "a 1", install: "a", want: "!no source that may be used has a",
			files: apttest.Files{"/etc/apt/preferences.d/a": "Package: a\nPin: release *\nPin-Priority: -1\n"}},
		"a name that is nowhere":     {archive: "a 1", install: "nowhere", want: "!cannot install nowhere: no source has nowhere"},
		"the end of a chain":         {archive: "a 1; Depends: b\nb 1; Depends: c\nc 1; Depends: d (>= 2)\nd 1", install: "a", want: "!a 1 needs b, b 1 needs c, c 1 needs d (>= 2), the sources have only d 1"},
		"a dependency on many names": {archive: "a 1; Depends: b, c, d | e, f (>= 1) | g\nb 1\nc 1\ne 1\nf 1\ng 1", install: "a", want: "a b c e f"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			m := apttest.New(t, apttest.Options{Debs: debs(t, tt.archive)})
			w := newSystem(t, []string{"arm64"}, trusting(m.Base(debs(t, tt.base)...)))
			for path, text := range tt.files {
				w.write(path, text)
			}
			w.update()
			wanted := strings.Fields(tt.install)
			apt := w.simulate(append(lean, "--no-remove"), wanted...)
			got, err := w.open().Closure(wanted)
			if message, ok := strings.CutPrefix(tt.want, "!"); ok {
				checkErr(t, err, message)
				if !apt.failed {
					t.Errorf("apt does it:\n%s", apt.out)
				}
				return
			}
			checkErr(t, err, "")
			if diff := cmp.Diff(apt.install, ids(got)); diff != "" || apt.failed {
				t.Errorf("packages (-apt +ours):\n%s\n%s", diff, apt.out)
			}
			if names := strings.Join(namesOf(got), " "); tt.want != "" && names != tt.want {
				t.Errorf("got %s, want %s", names, tt.want)
			}
		})
	}
}

func namesOf(list []Package) []string {
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	return names
}

// FuzzPackages wants nothing that a mirror may have in its indexes, or a base
// in its status, to bring a panic: an error or an answer, in the end.
func FuzzPackages(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nArchitecture: arm64\nDepends: b | c, d (>= 1)\n\nPackage: b\nVersion: 1\nArchitecture: all\nProvides: d (= 2)\n",
		"Package: dpkg\nStatus: install ok installed\nVersion: 1\nArchitecture: arm64\n", "a")
	f.Add("Package: a\nVersion: :\nArchitecture:\nDepends: (((\n", "Status: install ok installed\n", "a:any")
	f.Add("Package: a\nVersion: 1\nArchitecture: arm64\nConflicts: a, |, b (\nProvides: ,|, (= 1)\nDepends: a [x] <y> ${z}\nMulti-Arch: same\n", "\n\n \n:\n", "a")
	f.Fuzz(func(t *testing.T, packages, status, want string) {
		u := newUniverse([]string{"arm64", "armhf"})
		x := &index{release: &release{}, uri: "http://deb.example.org/", text: packages}
		if err := u.fill(&Base{status: status}, []*index{x}); err != nil {
			return
		}
		a := &Archive{universe: u}
		list, err := a.Closure(strings.Fields(want))
		for _, p := range list {
			if err == nil && (!isSHA256(p.SHA256) || p.Size <= 0) {
				t.Errorf("got %+v, which cannot be downloaded", p)
			}
		}
	})
}
