package peers

import (
	"net/netip"
	"slices"
	"strings"
)

const hostsPath = "/etc/hosts"

// ownAddress is where a machine's own name points while it has no other address
// (Debian Reference, 5.1.1).
const ownAddress = "127.0.1.1"

// The lines around our block in /etc/hosts.
const (
	blockBegin = "# The nodes of the cluster. berry-firstboot keeps these lines up to date."
	blockEnd   = "# End of the nodes of the cluster."
)

// Entry is one node in /etc/hosts.
type Entry struct {
	Addr netip.Addr
	Name string
}

// Hosts returns hosts(5) with the entries as our marked block, at its old place
// or at the end. Of the other lines only those for 127.0.1.1 are touched: the name
// self is there exactly when the block does not have it. GlusterFS has to find a
// node's own name at the address where the others find it, but a machine without
// any address needs its name all the same.
func Hosts(text string, block []Entry, self string) string {
	lines, at := outside(text)
	inBlock := slices.ContainsFunc(block, func(e Entry) bool { return e.Name == self })
	there := false
	for i, line := range lines {
		w := words(line)
		if len(w) == 0 || w[0] != ownAddress || !slices.Contains(w[1:], self) {
			continue
		}
		if !inBlock {
			there = true
			continue
		}
		lines[i] = ""
		if names := slices.DeleteFunc(w[1:], func(n string) bool { return n == self }); len(names) > 0 {
			lines[i] = ownAddress + "\t" + strings.Join(names, " ") + "\n"
		}
	}
	if !inBlock && !there {
		lines = slices.Insert(lines, at, ownAddress+"\t"+self+"\n")
		at++
	}
	return strings.Join(slices.Insert(lines, at, written(block)...), "")
}

// written is the block as lines.
func written(block []Entry) []string {
	if len(block) == 0 {
		return nil
	}
	lines := []string{blockBegin + "\n"}
	for _, e := range block {
		lines = append(lines, e.Addr.String()+"\t"+e.Name+"\n")
	}
	return append(lines, blockEnd+"\n")
}

// outside are the lines that are not our block, and the place among them where
// the block goes.
func outside(text string) (lines []string, at int) {
	at = -1
	in := false
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		switch _, ours := entryOf(bare); {
		case bare == blockBegin:
			in, at = true, len(lines)
		case bare == blockEnd:
			in = false
		case in && ours:
		default:
			in = false
			lines = append(lines, strings.TrimSuffix(line, "\n")+"\n")
		}
	}
	if at < 0 {
		at = len(lines)
	}
	return lines, at
}

// block are the entries in the block of a text.
func block(text string) []Entry {
	var list []Entry
	in := false
	for line := range strings.Lines(text) {
		bare := strings.TrimSpace(line)
		e, ours := entryOf(bare)
		in = bare == blockBegin || in && ours
		if in && ours {
			list = append(list, e)
		}
	}
	return list
}

// entryOf reads a line in the form of our block.
func entryOf(line string) (Entry, bool) {
	address, name, ok := strings.Cut(line, "\t")
	a, err := netip.ParseAddr(address)
	return Entry{a, name}, ok && err == nil && name != "" && !strings.ContainsAny(name, " \t#")
}

// words are the address and the names of a line, without its comment.
func words(line string) []string {
	line, _, _ = strings.Cut(line, "#")
	return strings.Fields(line)
}
