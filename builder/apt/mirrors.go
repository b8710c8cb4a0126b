package apt

import (
	"fmt"
	"slices"
	"strings"
)

// Mirror says that what the base's sources have below From is to be fetched
// from below To. Both are URIs.
type Mirror struct {
	From string
	To   string
}

// Mirrors are the replacements of a profile. The lock and everything else
// keeps the base's own URIs; only downloads go elsewhere, and are checked as
// ever, so a mirror need not be trusted.
type Mirrors []Mirror

// URL is where a file is fetched from. The longest From that fits counts.
func (m Mirrors) URL(original string) string {
	best := Mirror{}
	for _, one := range m {
		from := strings.TrimRight(one.From, "/")
		if one.replaces(original) && len(from) > len(best.From) {
			best = Mirror{from, strings.TrimRight(one.To, "/")}
		}
	}
	if best.From == "" {
		return original
	}
	return best.To + strings.TrimPrefix(original, best.From)
}

// replaces tells whether the mirror has what is at that URL.
func (m Mirror) replaces(original string) bool {
	return strings.HasPrefix(original, strings.TrimRight(m.From, "/")+"/")
}

// unused says which mirrors stand in for nothing: most likely a slip.
func (m Mirrors) unused(sources []Source) []string {
	var notes []string
	for _, one := range m {
		if !slices.ContainsFunc(sources, func(s Source) bool { return one.replaces(s.URI) }) {
			notes = append(notes, fmt.Sprintf("mirror %s is not used: no source of the base lies below %s", one.To, one.From))
		}
	}
	return notes
}
