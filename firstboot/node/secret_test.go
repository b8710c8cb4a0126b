package node

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// public are the fields whose names sound like a secret, and which hold none.
var public = []string{"End.Key", "Primary.Key", "Primary.TarKey"}

var soundsSecret = regexp.MustCompile(`(?i)(key|password|passphrase|secret|token|psk)$`)

// Whoever adds a field says in its comment that it is a secret, or gives it a telling name.
// Then it must have the tag, or everybody would be shown it.
func TestEveryFieldThatIsASecretHasTheTag(t *testing.T) {
	tagged := 0
	for _, name := range []string{"node.go", "tunnel.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			list, ok := spec.Type.(*ast.StructType)
			if !ok {
				return true
			}
			said := ""
			for _, field := range list.Fields.List {
				// A comment may be for the fields below it, up to the next one.
				if text := field.Doc.Text() + field.Comment.Text(); text != "" {
					said = text
				}
				for _, id := range field.Names {
					full := spec.Name.Name + "." + id.Name
					has := strings.Contains(field.Tag.Value, `secret:"yes"`)
					kind, _ := field.Type.(*ast.Ident)
					is := strings.Contains(said, "secret") || soundsSecret.MatchString(id.Name) && !slices.Contains(public, full)
					is = is && kind != nil && kind.Name == "string"
					if has != is {
						t.Errorf("%s has the tag: %v; it is a secret: %v (%q)", full, has, is, said)
					}
					if has {
						tagged++
					}
				}
			}
			return true
		})
	}
	if tagged != 5 {
		t.Errorf("%d fields are secrets, want 5; a new one needs a look at package support", tagged)
	}
}

// No struct of the node file is in another file than those above.
func TestTheStructsOfTheNodeFileAreLookedAt(t *testing.T) {
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Pointer, reflect.Slice:
			walk(t.Elem())
		case reflect.Struct:
			seen[t] = true
			for f := range t.Fields() {
				walk(f.Type)
			}
		}
	}
	walk(reflect.TypeFor[File]())
	count := 0
	for _, name := range []string{"node.go", "tunnel.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if _, ok := n.(*ast.StructType); ok {
				count++
			}
			return true
		})
	}
	if count != len(seen) {
		t.Errorf("there are %d structs in the files, and %d in the node file", count, len(seen))
	}
}

func TestBlankedHasNoSecretAndAllElse(t *testing.T) {
	f := File{
		Name: "cluster01", DDNS: &DDNS{Login: "me", Password: "pass-1"}, Tunnel: &Tunnel{Key: "key-2", Ends: []End{{Key: "public"}}},
		GeoRep: &GeoRep{Key: "key-3", TarKey: "key-4"}, Balancer: &Balancing{HTTPS: &HTTPS{Pair: &Pair{Chain: "chain", Key: "key-5"}}},
	}
	secrets := f.Secrets()
	slices.Sort(secrets)
	if want := []string{"key-2", "key-3", "key-4", "key-5", "pass-1"}; !slices.Equal(secrets, want) {
		t.Errorf("secrets %q, want %q", secrets, want)
	}
	blanked, err := f.Blanked()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(blanked)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets {
		if strings.Contains(string(text), secret) {
			t.Errorf("%s is in %s", secret, text)
		}
	}
	for _, other := range []string{"cluster01", `"login":"me"`, `"key":"public"`, `"chain":"chain"`, Blank} {
		if !strings.Contains(string(text), other) {
			t.Errorf("%s is not in %s", other, text)
		}
	}
	if f.DDNS.Password != "pass-1" {
		t.Error("the file itself was blanked")
	}
}
