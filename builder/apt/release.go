package apt

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// release is a suite's Release file: what it is, until when it counts, and the
// checksums of its indexes.
type release struct {
	origin, label, suite, codename, version string

	notAutomatic, automaticUpgrades bool

	byHash     bool
	archs      []string // none means that it does not say
	allApart   bool     // architecture-independent packages have indexes of their own
	date       time.Time
	validUntil time.Time // zero: for ever
	files      map[string]checksum
}

type checksum struct {
	sha256 string
	size   int64
}

// newRelease reads the text of a Release file.
func newRelease(text string) (*release, error) {
	list, err := paragraphs(file{"the Release file", text})
	if err != nil {
		return nil, err
	}
	if len(list) != 1 {
		return nil, fmt.Errorf("the Release file has %d paragraphs instead of one", len(list))
	}
	p := list[0]
	r := &release{
		origin: p.get("Origin"), label: p.get("Label"), suite: p.get("Suite"),
		codename: p.get("Codename"), version: p.get("Version"),
		notAutomatic:      p.get("NotAutomatic") == "yes",
		automaticUpgrades: p.get("ButAutomaticUpgrades") == "yes",
		byHash:            p.get("Acquire-By-Hash") == "yes",
		archs:             strings.Fields(p.get("Architectures")),
	}
	r.allApart = slices.Contains(r.archs, "all") && p.get("No-Support-for-Architecture-all") != "Packages"
	if r.date, err = releaseTime(p, "Date"); err != nil {
		return nil, err
	}
	if r.validUntil, err = releaseTime(p, "Valid-Until"); err != nil {
		return nil, err
	}
	r.files, err = checksums(p.get("SHA256"))
	return r, err
}

// releaseTime reads a date, which always is in UTC whatever it is called.
func releaseTime(p paragraph, field string) (time.Time, error) {
	text := p.get(field)
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"Mon, _2 Jan 2006 15:04:05 MST", time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("the Release file's %s %q is not a date", field, text)
}

func checksums(text string) (map[string]checksum, error) {
	files := map[string]checksum{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !isSHA256(f[0]) {
			return nil, fmt.Errorf("the Release file has a strange SHA256 line: %q", line)
		}
		size, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("the Release file has a strange SHA256 line: %q", line)
		}
		files[f[2]] = checksum{f[0], size}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("the Release file has no SHA256 checksums")
	}
	return files, nil
}

// maxFuture is how far a Release file may be ahead of the clock, as in apt.
const maxFuture = 10 * time.Second

// current tells whether the file counts at that time.
func (r *release) current(now time.Time) error {
	if !r.validUntil.IsZero() && now.After(r.validUntil) {
		return fmt.Errorf("it expired on %s, and this computer's clock says %s: wait for the mirror to be updated, or use another one", day(r.validUntil), day(now))
	}
	if r.date.After(now.Add(maxFuture)) {
		return fmt.Errorf("it is of %s, and this computer's clock says %s: set the clock", day(r.date), day(now))
	}
	return nil
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04 UTC") }

// is tells whether the file is of that suite: a mirror must not pass one suite
// off as another. Older security suites are called codename/updates.
func (r *release) is(suite string) bool {
	suite = strings.TrimSuffix(suite, "/updates")
	return suite == r.suite || suite == r.codename ||
		suite == strings.TrimSuffix(r.suite, "/updates") || suite == strings.TrimSuffix(r.codename, "/updates")
}

func isSHA256(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && strings.ToLower(s) == s
}
