package apt

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdxlib"

	"berries/builder/apt/apttest"
)

var testDocument = Document{Image: "cluster01.img", SHA256: strings.Repeat("9", 64), Tool: "berry-1.0",
	Created: time.Date(2026, 9, 15, 14, 0, 0, 0, time.FixedZone("CEST", 7200))}

// testSBOM is of a base with two packages, of which one is upgraded.
func testSBOM(t *testing.T, d Document) []byte {
	t.Helper()
	m := apttest.New(t, apttest.Options{})
	b, err := ReadBase(m.Base(apttest.Deb{Name: "libstdc++6", Version: "14.2.0-19+b1", Arch: "arm64"}))
	checkErr(t, err, "")
	b.status += "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n"
	text, err := SBOM(b, []Package{
		{Name: "libstdc++6", Version: "1:15~rc1", Arch: "arm64", URL: "http://deb.example.org/l.deb", SHA256: strings.Repeat("b", 64), Size: 9},
		{Name: "apache2", Version: "2.4.65-2", Arch: "all", URL: "http://deb.example.org/a.deb", SHA256: strings.Repeat("a", 64), Size: 9},
	}, d)
	checkErr(t, err, "")
	return text
}

// TestSBOMIsReadBySPDX has SPDX's own reader read it, and find the packages.
func TestSBOMIsReadBySPDX(t *testing.T) {
	doc, err := spdxjson.Read(bytes.NewReader(testSBOM(t, testDocument)))
	checkErr(t, err, "")
	checkErr(t, spdxlib.ValidateDocument(doc), "")
	described, err := spdxlib.GetDescribedPackageIDs(doc)
	checkErr(t, err, "")
	if len(described) != 1 || doc.CreationInfo.Created != "2026-09-15T12:00:00Z" {
		t.Errorf("it describes %v, created %s", described, doc.CreationInfo.Created)
	}
	var got []string
	for _, p := range doc.Packages {
		line := p.PackageName + " " + p.PackageVersion + " " + p.PackageDownloadLocation
		for _, c := range p.PackageChecksums {
			line += " " + string(c.Algorithm) + ":" + c.Value[:2]
		}
		for _, r := range p.PackageExternalReferences {
			line += " " + r.Locator
		}
		got = append(got, line)
	}
	want := []string{
		"cluster01.img  NOASSERTION SHA256:99",
		"dpkg 1.22.21 NOASSERTION pkg:deb/debian/dpkg@1.22.21?arch=arm64&distro=trixie",
		"libstdc++6 14.2.0-19+b1 NOASSERTION pkg:deb/debian/libstdc%2B%2B6@14.2.0-19%2Bb1?arch=arm64&distro=trixie",
		"apache2 2.4.65-2 http://deb.example.org/a.deb SHA256:aa pkg:deb/debian/apache2@2.4.65-2?arch=all&distro=trixie",
		"libstdc++6 1:15~rc1 http://deb.example.org/l.deb SHA256:bb pkg:deb/debian/libstdc%2B%2B6@1:15~rc1?arch=arm64&distro=trixie",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
}

// TestSBOMHasWhatSPDXRequires checks the fields that SPDX 2.3 requires (clauses
// 6, 7 and 11 of its specification) and the forms it gives them.
func TestSBOMHasWhatSPDXRequires(t *testing.T) {
	var doc map[string]any
	checkErr(t, json.Unmarshal(testSBOM(t, testDocument), &doc), "")
	ids := []string{}
	field := func(m map[string]any, name, pattern string) string {
		t.Helper()
		value, _ := m[name].(string)
		if !regexp.MustCompile(`^(?:` + pattern + `)$`).MatchString(value) {
			t.Errorf("%s is %q, want %s", name, value, pattern)
		}
		return value
	}
	id := `SPDXRef-[A-Za-z0-9.-]+`
	field(doc, "spdxVersion", `SPDX-2\.3`)
	field(doc, "dataLicense", `CC0-1\.0`)
	ids = append(ids, field(doc, "SPDXID", `SPDXRef-DOCUMENT`))
	field(doc, "name", `.+`)
	field(doc, "documentNamespace", `https://[^#]+`)
	field(doc["creationInfo"].(map[string]any), "created", `\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`)
	if tool := doc["creationInfo"].(map[string]any)["creators"].([]any)[0]; tool != "Tool: berry-1.0" {
		t.Errorf("creator %v", tool)
	}
	for _, p := range doc["packages"].([]any) {
		p := p.(map[string]any)
		ids = append(ids, field(p, "SPDXID", id))
		field(p, "name", `.+`)
		field(p, "downloadLocation", `NOASSERTION|https?://.+`)
		if p["filesAnalyzed"] != false {
			t.Errorf("filesAnalyzed is %v", p["filesAnalyzed"])
		}
	}
	for _, r := range doc["relationships"].([]any) {
		r := r.(map[string]any)
		field(r, "relationshipType", "DESCRIBES|CONTAINS")
		for _, end := range []string{"spdxElementId", "relatedSpdxElement"} {
			if got := field(r, end, id); !slices.Contains(ids, got) {
				t.Errorf("%s %s is nothing in the document", end, got)
			}
		}
	}
	slices.Sort(ids)
	if len(slices.Compact(slices.Clone(ids))) != len(ids) || len(ids) != 6 {
		t.Errorf("identifiers: %v", ids)
	}
}

func TestSBOMIsTheSameEveryTime(t *testing.T) {
	first := testSBOM(t, testDocument)
	if !bytes.Equal(first, testSBOM(t, testDocument)) {
		t.Error("two SBOMs of the same image differ")
	}
	other := testDocument
	other.SHA256 = strings.Repeat("8", 64)
	namespace := regexp.MustCompile(`"documentNamespace": "[^"]+"`)
	if a, b := namespace.Find(first), namespace.Find(testSBOM(t, other)); a == nil || bytes.Equal(a, b) {
		t.Errorf("another image has the same namespace %s", a)
	}
}
