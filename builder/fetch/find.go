package fetch

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Find returns the newest image of that name in the catalogue, such as
// "raspios-trixie-arm64-lite", or the one of a certain day when the name begins
// with its date, such as "2026-09-15-raspios-trixie-arm64-lite".
func (c *Client) Find(ctx context.Context, name string) (Entry, error) {
	entries, err := c.Catalogue(ctx)
	if err != nil {
		return Entry{}, err
	}
	var newest Entry
	for _, e := range entries {
		if e.Dated == name {
			return e, nil
		}
		if e.Name == name && e.Dated > newest.Dated {
			newest = e
		}
	}
	if newest.Dated == "" {
		return Entry{}, fmt.Errorf("the catalogue has no %s; %s", name, suggest(name, entries))
	}
	return newest, nil
}

// suggest says what may have been meant by a name that is not in the catalogue.
func suggest(name string, entries []Entry) string {
	if len(entries) == 0 {
		return "it lists no Raspberry Pi OS at all; give the image's url instead"
	}
	for _, e := range entries {
		if strings.HasSuffix(name, "-"+e.Name) {
			return fmt.Sprintf("it has %s; for another day's, give the image's url instead", e.Dated)
		}
	}
	best, dist := "", 1+len(name)/3 // further off is another name, not a slip
	var names []string
	for _, e := range entries {
		names = append(names, e.Name)
		if d := distance(name, e.Name); d < dist {
			best, dist = e.Name, d
		}
	}
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	slices.Sort(names)
	return "it has " + strings.Join(slices.Compact(names), ", ")
}

// distance is how many letters to add, drop or change to make a into b
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the matrix: a[:i] to each b[:j]
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
