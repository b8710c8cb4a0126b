package profiles

import "strings"

// nearest gives the candidate that word most likely meant, or "" when none is
// near enough: at most two slips of the finger, and fewer in a short word.
func nearest(word string, candidates []string) string {
	best, allowed := "", min(2, len(word)/2)
	for _, c := range candidates {
		if d := slips(strings.ToLower(word), c); d <= allowed {
			best, allowed = c, d-1
		}
	}
	return best
}

// slips counts the letters to add, drop, change or swap with their neighbour
// to make b out of a (the optimal string alignment distance).
func slips(a, b string) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := last[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(last[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
