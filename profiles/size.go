package profiles

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	tib = 1 << 40
)

// The limits of the partitions. A root below minRoot does not hold the base
// and our packages; maxCard is what the 32-bit sector numbers of an MBR reach.
const (
	defaultRoot = 4 * gib
	minRoot     = 2 * gib
	maxRoot     = 1 * tib
	minBrick    = 256 * mib
	maxCard     = 2 * tib
)

var sizeForm = regexp.MustCompile(`^([+-]?)([0-9]+)([.,][0-9]+)? ?([A-Za-z]*)$`)

// sizeUnits are the units of a size, in bytes.
var sizeUnits = map[string]int64{
	"KiB": 1 << 10, "MiB": mib, "GiB": gib, "TiB": tib,
	"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// readSizes reads the sizes in bytes of the root and the brick partition. The
// brick's is 0 when it takes the rest of the card.
func readSizes(m *mapping) (root, brick int64) {
	root = m.size("root_size", defaultRoot)
	switch {
	case root < minRoot:
		m.refuse("root_size", smallRoot)
	case root > maxRoot:
		m.refuse("root_size", largeRoot)
	}
	if m.has("brick_size") && !m.says("brick_size", "rest") {
		brick = m.size("brick_size", minBrick)
		switch {
		case brick < minBrick:
			m.refuse("brick_size", smallBrick)
		case !m.wrong("root_size") && brick > maxCard-root:
			m.refuse("brick_size", largeCard)
		}
	}
	return root, brick
}

// size reads a size in bytes. A number without quotes lacks its unit, and is
// told so.
func (m *mapping) size(key string, fallback int64) int64 {
	if !m.has(key) {
		return fallback
	}
	switch m.entries[key].value.ShortTag() {
	case "!!int", "!!float":
		_, p := parseSize(m.entries[key].value.Value)
		m.refuse(key, p)
		return fallback
	}
	text := m.text(key, "")
	if text == "" {
		return fallback
	}
	bytes, p := parseSize(text)
	if p.exists() {
		m.refuse(key, p)
		return fallback
	}
	return bytes
}

// parseSize reads a size such as "4GiB".
func parseSize(text string) (int64, problem) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, badSize
	}
	sign, digits, fraction, name := parts[1], parts[2], parts[3], parts[4]
	unit, known := sizeUnits[name]
	n, err := strconv.ParseInt(digits, 10, 64)
	switch {
	case sign == "-":
		return 0, negativeSize
	case fraction != "":
		return 0, fractionalSize
	case name == "":
		return 0, sizeWithoutUnit(digits)
	case !known:
		return 0, unknownUnit(name, nearestUnit(name))
	case err != nil || n > math.MaxInt64/unit:
		return 0, hugeSize
	case n == 0:
		return 0, zeroSize
	}
	return n * unit, problem{}
}

// nearestUnit guesses what a person meant by G, Gb, gib and the like.
func nearestUnit(name string) string {
	switch first := strings.ToUpper(name[:1]); first {
	case "K", "M", "G", "T":
		return first + "iB"
	}
	return ""
}
