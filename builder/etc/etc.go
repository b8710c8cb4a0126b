// Package etc edits the text files that a Linux system keeps its settings in:
// kernel command line, fstab, hosts, and the account files. Every function is
// pure: the old text goes in, the new text comes out; what was not asked to
// change stays as it was, byte for byte. A file that does not read as expected
// is an error, never a guess.
package etc

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Cmdline edits a kernel command line (cmdline.txt): the words in drop go, and
// each key=value word in set replaces the word with that key or is added at the
// end. The result is one line, as the Pi's firmware wants it.
func Cmdline(old string, drop, set []string) (string, error) {
	words := strings.Fields(old)
	if len(words) == 0 {
		return "", errors.New("cmdline.txt is empty")
	}
	words = slices.DeleteFunc(words, func(w string) bool { return slices.Contains(drop, w) })
	for _, s := range set {
		key, _, _ := strings.Cut(s, "=")
		i := slices.IndexFunc(words, func(w string) bool { return strings.HasPrefix(w, key+"=") })
		if i < 0 {
			words = append(words, s)
			continue
		}
		words[i] = s
	}
	return strings.Join(words, " ") + "\n", nil
}

// Mount is one line of fstab(5).
type Mount struct {
	Device, Dir, Type, Options string
	Pass                       int // order of fsck at boot; 0 is never
}

func (m Mount) String() string {
	return fmt.Sprintf("%s  %s  %s  %s  0  %d\n", m.Device, m.Dir, m.Type, m.Options, m.Pass)
}

// Fstab gives the root and boot lines the PARTUUIDs of a new disk signature,
// and adds the mounts in add, each in place of a line for the same directory.
func Fstab(old, signature string, add []Mount) (string, error) {
	var out strings.Builder
	seen := map[string]bool{}
	for line := range strings.Lines(old) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") {
			out.WriteString(line)
			continue
		}
		if slices.ContainsFunc(add, func(m Mount) bool { return m.Dir == fields[1] }) {
			continue
		}
		seen[fields[1]] = true
		if id, found := strings.CutPrefix(fields[0], "PARTUUID="); found {
			_, number, _ := strings.Cut(id, "-")
			line = strings.Replace(line, id, signature+"-"+number, 1)
		}
		out.WriteString(line)
	}
	if !seen["/"] {
		return "", errors.New("/etc/fstab has no line for /")
	}
	text := out.String()
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	for _, m := range add {
		text += m.String()
	}
	return text, nil
}

// ownAddress is what Debian gives a host name that has no fixed address.
const ownAddress = "127.0.1.1"

// Hosts makes name the one name of 127.0.1.1 in a hosts file, and leaves all
// other lines alone.
func Hosts(old, name string) string {
	var out strings.Builder
	done := false
	own := ownAddress + "\t" + name + "\n"
	for line := range strings.Lines(old) {
		if fields := strings.Fields(line); len(fields) == 0 || fields[0] != ownAddress {
			out.WriteString(strings.TrimSuffix(line, "\n") + "\n")
		} else if !done {
			out.WriteString(own)
			done = true
		}
	}
	if !done {
		out.WriteString(own)
	}
	return out.String()
}
