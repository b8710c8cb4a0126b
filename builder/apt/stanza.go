package apt

import (
	"iter"
	"strings"
)

// stanza is one paragraph of a control file: "Key: value" lines, where lines
// that begin with white space go on with the value before. It is a piece of
// the file's text, so that an index is in memory once, as it came.
type stanza string

// stanzas splits the text of a control file at its empty lines.
func stanzas(text string) iter.Seq[stanza] {
	return func(yield func(stanza) bool) {
		for {
			text = strings.TrimLeft(text, "\n")
			if text == "" {
				return
			}
			one, rest, _ := strings.Cut(text, "\n\n")
			if !yield(stanza(one)) {
				return
			}
			text = rest
		}
	}
}

// fields walks through the fields in the order they are written. Values are
// trimmed; inside they keep their line breaks.
func (s stanza) fields() iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		text := string(s)
		for text != "" {
			end := strings.IndexByte(text, '\n')
			for end >= 0 && end+1 < len(text) && (text[end+1] == ' ' || text[end+1] == '\t') {
				next := strings.IndexByte(text[end+1:], '\n')
				if next < 0 {
					end = -1
					break
				}
				end += 1 + next
			}
			one := text
			if text = ""; end >= 0 {
				one, text = one[:end], one[end+1:]
			}
			key, value, ok := strings.Cut(one, ":")
			if ok && !yield(key, strings.TrimSpace(value)) {
				return
			}
		}
	}
}

// field is the value of the named field, "" where there is none.
func (s stanza) field(name string) string {
	for key, value := range s.fields() {
		if key == name {
			return value
		}
	}
	return ""
}
