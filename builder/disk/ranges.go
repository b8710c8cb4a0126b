package disk

import "slices"

// Range is a run of bytes of an image.
type Range struct {
	Start int64 // first byte
	End   int64 // first byte after it
}

// Len is the number of bytes of the range.
func (r Range) Len() int64 { return r.End - r.Start }

// merge sorts ranges, drops the empty ones and joins those that touch or
// overlap.
func merge(ranges []Range) []Range {
	sorted := slices.DeleteFunc(slices.Clone(ranges), func(r Range) bool { return r.End <= r.Start })
	slices.SortFunc(sorted, func(a, b Range) int { return int(min(max(a.Start-b.Start, -1), 1)) })
	var out []Range
	for _, r := range sorted {
		if n := len(out); n > 0 && r.Start <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, r.End)
			continue
		}
		out = append(out, r)
	}
	return out
}

// alignOut widens every range to multiples of unit, stays below size, and
// merges what touches then.
func alignOut(ranges []Range, unit, size int64) []Range {
	wide := make([]Range, len(ranges))
	for i, r := range ranges {
		wide[i] = Range{r.Start / unit * unit, min((r.End+unit-1)/unit*unit, size)}
	}
	return merge(wide)
}

// gaps returns what of [0, size) the merged ranges leave out.
func gaps(merged []Range, size int64) []Range {
	var out []Range
	var at int64
	for _, r := range merged {
		if r.Start > at {
			out = append(out, Range{at, r.Start})
		}
		at = r.End
	}
	if at < size {
		out = append(out, Range{at, size})
	}
	return out
}

// overlap returns what lies in both of two lists of merged ranges.
func overlap(a, b []Range) []Range {
	var out []Range
	for len(a) > 0 && len(b) > 0 {
		if r := (Range{max(a[0].Start, b[0].Start), min(a[0].End, b[0].End)}); r.Len() > 0 {
			out = append(out, r)
		}
		if a[0].End < b[0].End {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return out
}
