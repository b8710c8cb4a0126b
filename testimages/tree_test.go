package testimages_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sources parses every Go file of ours, whatever its build tags, and gives it by
// its path from the top.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir("..", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && name != ".." && (strings.HasPrefix(d.Name(), ".") || name == "../out") {
			return fs.SkipDir
		}
		if filepath.Ext(name) == ".go" {
			files[strings.TrimPrefix(name, "../")], err = parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		t.Fatalf("%d Go files: %v", len(files), err)
	}
	return files
}

// mayImport says which folders at the top each of them may import from. A node
// meets only its node file, and a profile knows nothing of images.
var mayImport = map[string][]string{
	"firstboot":  {"firstboot"},
	"overlays":   {"overlays"},
	"profiles":   {"profiles"},
	"builder":    {"builder", "overlays", "profiles", "firstboot"},
	"testimages": {"testimages", "builder", "firstboot"},
}

// shared are the packages of berry-firstboot that the builder may use: the
// contract between the two, how both run commands, and what glusterd finds before
// its first start; and what nodes tell their operator, where he finds them, and how
// secrets are taken out of it.
var shared = []string{
	"berries/firstboot/node", "berries/firstboot/host", "berries/firstboot/gluster",
	"berries/firstboot/report", "berries/firstboot/status", "berries/firstboot/peers", "berries/firstboot/support", "berries/firstboot/redact",
}

func TestImportsGoOneWay(t *testing.T) {
	for name, file := range sources(t) {
		from, _, _ := strings.Cut(name, "/")
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			ours, isOurs := strings.CutPrefix(imported, "berries/")
			to, _, _ := strings.Cut(ours, "/")
			if isOurs && (!slices.Contains(mayImport[from], to) ||
				from == "builder" && to == "firstboot" && !slices.Contains(shared, imported)) {
				t.Errorf("%s imports %s; %s may import from %v, and builder only %v of firstboot", name, imported, from, mayImport[from], shared)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string]bool{}
	for name, file := range sources(t) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		dir, is := path.Dir(name), file.Name.Name
		begins := []string{"Package " + is + " "}
		if is == "main" {
			begins = []string{"Command ", "Program "}
		}
		doc := file.Doc.Text()
		said[dir] = said[dir] || slices.ContainsFunc(begins, func(b string) bool { return strings.HasPrefix(doc, b) })
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("%s has no doc comment that begins with its name", dir)
		}
	}
}

func TestTheTopLevelIsTheAgreedOne(t *testing.T) {
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	ignored := strings.Fields(read(t, "../.gitignore"))
	var got []string
	for _, e := range entries {
		name := e.Name()
		made := slices.ContainsFunc(ignored, func(pattern string) bool {
			match, err := path.Match(strings.Trim(pattern, "/"), name)
			return match && err == nil
		})
		if !made && !strings.HasPrefix(name, ".") {
			got = append(got, name)
		}
	}
	want := []string{"Makefile", "README.md", "builder", "firstboot", "go.mod", "go.sum", "overlays", "profiles", "testimages"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the top level (-agreed +tree):\n%s", diff)
	}
}
