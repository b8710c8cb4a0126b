package apt

import "strings"

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
		if strings.HasPrefix(original, from+"/") && len(from) > len(best.From) {
			best = Mirror{from, strings.TrimRight(one.To, "/")}
		}
	}
	if best.From == "" {
		return original
	}
	return best.To + strings.TrimPrefix(original, best.From)
}
