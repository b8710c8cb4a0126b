package profiles

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// parse turns the bytes of a profile into the node of its one document. When
// that cannot be done it reports why, and where, and returns nil: nothing
// behind a syntax error can be trusted.
func (in *reading) parse(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if offset, p := notText(data); p.exists() {
		line, col := position(data, offset)
		in.add(place{line: line, col: col}, p)
		return nil
	}
	documents, err := decode(data)
	switch {
	case err != nil:
		in.add(locateSyntax(data, err))
		return nil
	case len(documents) == 0 || documents[0].ShortTag() == "!!null":
		in.add(place{line: 1, col: 1}, emptyProfile)
		return nil
	case len(documents) > 1:
		in.add(placeOf("", documents[1]), severalDocuments)
		return nil
	}
	return documents[0]
}

// notText finds the first byte that has no business in a text file.
func notText(data []byte) (offset int, p problem) {
	for offset < len(data) {
		r, size := utf8.DecodeRune(data[offset:])
		switch {
		case r == utf8.RuneError && size == 1:
			return offset, notUTF8
		case unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r), r == '\ufffe', r == '\uffff':
			return offset, controlCharacter
		}
		offset += size
	}
	return 0, problem{}
}

// position counts lines and characters up to a byte offset.
func position(data []byte, offset int) (line, col int) {
	before := data[:offset]
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

// decode parses all documents of a file, giving the content of each.
func decode(data []byte) ([]*yaml.Node, error) {
	var documents []*yaml.Node
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		switch err := d.Decode(&n); {
		case errors.Is(err, io.EOF):
			return documents, nil
		case err != nil:
			return nil, err
		}
		documents = append(documents, n.Content...)
	}
}

// maxLinesBack bounds the search of locateSyntax, which parses the file once
// for each line that it goes back.
const maxLinesBack = 2000

// locateSyntax finds the line that a syntax error starts at. The line numbers
// of yaml.v3 cannot be used: they are missing for the first line, one off for
// one half of its errors, and for an unclosed bracket they name the end of the
// file. Cutting the file shorter line by line until it parses is exact: the
// last line that had to go is the one where the trouble starts.
func locateSyntax(data []byte, err error) (place, problem) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	last := len(lines)
	for back := 0; last > 1 && back < maxLinesBack; back++ {
		if _, err := decode(bytes.Join(lines[:last-1], nil)); err == nil {
			break
		}
		last--
	}
	line := string(lines[last-1])
	indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]
	if tab := strings.IndexByte(indent, '\t'); tab >= 0 {
		return place{line: last, col: tab + 1}, tabIndent
	}
	return place{line: last, col: len(indent) + 1}, syntaxError(err)
}
