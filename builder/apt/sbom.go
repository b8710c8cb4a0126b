package apt

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Document is what an SBOM says of itself and the image it is about.
type Document struct {
	Image   string    // file name of the image
	SHA256  string    // of the image; "" when it is not known
	Tool    string    // program and version, such as "berry-1.0"
	Created time.Time // the image's own time, so that the same image has the same SBOM
}

// SBOM lists what is in an image as SPDX 2.3 JSON (spdx.github.io/spdx-spec):
// the base's installed packages as dpkg's status has them, and list, which is
// in the pool. The same input gives the same bytes.
func SBOM(b *Base, list []Package, d Document) ([]byte, error) {
	doc := spdxDocument{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: d.Image,
		Creation: spdxCreation{d.Created.UTC().Format("2006-01-02T15:04:05Z"), []string{"Tool: " + d.Tool}},
		Packages: []spdxPackage{imagePackage(d)},
	}
	doc.Relations = []spdxRelation{{doc.ID, "DESCRIBES", imageID}}
	base, err := b.installedPackages()
	if err != nil {
		return nil, fmt.Errorf("cannot list the base's packages: %w", err)
	}
	for _, p := range base {
		doc.add(b, "Base", p)
	}
	for _, p := range slices.SortedFunc(slices.Values(list), byName) {
		doc.add(b, "Pool", p)
	}
	return doc.encode()
}

// imageID stands for the image.
const imageID = "SPDXRef-Image"

func imagePackage(d Document) spdxPackage {
	p := spdxPackage{ID: imageID, Name: d.Image, Location: "NOASSERTION", Purpose: "OPERATING-SYSTEM"}
	if d.SHA256 != "" {
		p.Checksums = []spdxChecksum{{"SHA256", d.SHA256}}
	}
	return p
}

// installedPackages are those of the base's dpkg status.
func (b *Base) installedPackages() ([]Package, error) {
	var list []Package
	for s := range stanzas(b.status) {
		if !installed(s.field("Status")) {
			continue
		}
		v, err := newVer(s)
		if err != nil {
			return nil, err
		}
		list = append(list, Package{Name: v.name, Version: v.text, Arch: v.arch})
	}
	slices.SortFunc(list, byName)
	return list, nil
}

// add notes a package that is in the image.
func (doc *spdxDocument) add(b *Base, where string, p Package) {
	// An identifier has letters, digits, "." and "-" only; names have "+" too.
	id := "SPDXRef-" + where + "-" + strings.ReplaceAll(p.Name, "+", ".plus.") + "-" + p.Arch
	one := spdxPackage{ID: id, Name: p.Name, Version: p.Version, Location: cmp.Or(p.URL, "NOASSERTION"),
		Refs: []spdxRef{{"PACKAGE-MANAGER", "purl", purl(b.OS, p)}}}
	if p.SHA256 != "" {
		one.Checksums = []spdxChecksum{{"SHA256", p.SHA256}}
	}
	doc.Packages = append(doc.Packages, one)
	doc.Relations = append(doc.Relations, spdxRelation{imageID, "CONTAINS", id})
}

// purl is the package URL (github.com/package-url/purl-spec, type deb).
func purl(system OS, p Package) string {
	escape := strings.NewReplacer("+", "%2B")
	q := url.Values{"arch": {p.Arch}}
	if system.Codename != "" {
		q.Set("distro", system.Codename)
	}
	return "pkg:deb/" + cmp.Or(system.ID, "debian") + "/" + escape.Replace(p.Name) + "@" + escape.Replace(p.Version) + "?" + q.Encode()
}

// encode gives the document its namespace, which has to be its own, and so is
// made of what is in it.
func (doc *spdxDocument) encode() ([]byte, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	doc.Namespace = fmt.Sprintf("https://spdx.org/spdxdocs/%s-%x", url.PathEscape(doc.Name), sha256.Sum256(text))
	text, err = json.MarshalIndent(doc, "", " ")
	return append(text, '\n'), err
}
