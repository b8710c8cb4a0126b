package apt

import (
	"iter"
	"strings"
)

// names are the package names in a relation field, without qualifiers and
// versions. It is what can be afforded for every stanza of an index; relations
// that matter are read by parseRelations.
func names(field string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for field != "" {
			one := field
			if end := strings.IndexAny(field, ",|"); end >= 0 {
				one, field = field[:end], field[end+1:]
			} else {
				field = ""
			}
			one = strings.TrimLeft(one, " \n\t")
			if cut := strings.IndexAny(one, ": (\n\t"); cut >= 0 {
				one = one[:cut]
			}
			if one != "" && !yield(one) {
				return
			}
		}
	}
}
