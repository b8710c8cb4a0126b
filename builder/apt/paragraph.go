package apt

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"pault.ag/go/debian/control"
)

// paragraph is one record of a small control file. Unlike in stanza, names are
// found whatever their case, as people write these files.
type paragraph struct{ *control.Paragraph }

func (p paragraph) get(name string) string {
	for key, value := range p.Values {
		if strings.EqualFold(key, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// paragraphs reads a small control file; lines beginning with # are comments.
func paragraphs(f file) ([]paragraph, error) {
	r, err := control.NewParagraphReader(strings.NewReader(f.text), nil)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", f.path, err)
	}
	var list []paragraph
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", f.path, err)
		}
		list = append(list, paragraph{p})
	}
}
