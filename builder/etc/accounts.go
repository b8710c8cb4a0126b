package etc

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Accounts is the text of the six files that hold the system's users.
type Accounts struct {
	Passwd, Shadow, Group, Gshadow, Subuid, Subgid string
}

// userGroups are the groups that pi-gen puts its first user into
// (stage2/01-sys-tweaks and raspberrypi-sys-mods); those the base lacks are
// left out.
var userGroups = []string{"adm", "dialout", "cdrom", "sudo", "audio", "video", "plugdev", "games",
	"users", "input", "render", "netdev", "spi", "i2c", "gpio"}

// SetUser makes name the account with user and group id uid, with a login
// shell, /home/name and the given crypt(5) hash, or no usable password when hash
// is empty. The account that has the id already is renamed, as Raspberry Pi OS's
// own userconf does; where there is none it is made. It returns the new text and
// the home directory that the renamed account had ("" for a new one).
func (a Accounts) SetUser(name string, uid int, hash string) (Accounts, string, error) {
	passwd, shadow, group, gshadow := parse(a.Passwd), parse(a.Shadow), parse(a.Group), parse(a.Gshadow)
	if other := passwd.find(0, name); other != nil && field(other, 2) != strconv.Itoa(uid) {
		return a, "", fmt.Errorf("the base has a user %q of its own with uid %s", name, field(other, 2))
	}
	old, home := name, ""
	if entry := passwd.find(2, strconv.Itoa(uid)); entry != nil {
		old, home = entry[0], field(entry, 5)
	}
	if hash == "" {
		hash = "*" // no password matches it, and the account is not locked: shadow(5)
	}
	id := strconv.Itoa(uid)
	passwd.put(old, name, []string{name, "x", id, id, ",,,", "/home/" + name, "/bin/bash"}, 0, 5, 6)
	shadow.put(old, name, []string{name, hash, "19700", "0", "99999", "7", "", "", ""}, 0, 1)
	group.put(old, name, []string{name, "x", id, ""}, 0)
	gshadow.put(old, name, []string{name, "!", "", ""}, 0)
	for _, g := range []*table{&group, &gshadow} {
		g.member(old, name)
	}
	subuid, subgid := parse(a.Subuid), parse(a.Subgid)
	subuid.put(old, name, []string{name, "100000", "65536"}, 0)
	subgid.put(old, name, []string{name, "100000", "65536"}, 0)
	return Accounts{passwd.String(), shadow.String(), group.String(), gshadow.String(),
		subuid.String(), subgid.String()}, home, nil
}

// table is a file of colon-separated entries, one a line.
type table [][]string

func parse(text string) table {
	var t table
	for line := range strings.Lines(text) {
		t = append(t, strings.Split(strings.TrimSuffix(line, "\n"), ":"))
	}
	return t
}

func (t table) String() string {
	var out strings.Builder
	for _, entry := range t {
		out.WriteString(strings.Join(entry, ":") + "\n")
	}
	return out.String()
}

// find returns the entry whose field at index is value, or nil.
func (t table) find(index int, value string) []string {
	for _, entry := range t {
		if field(entry, index) == value {
			return entry
		}
	}
	return nil
}

// put copies the given fields of entry into the one named old, or adds entry
// where there is none of that name nor of the new one.
func (t *table) put(old, name string, entry []string, fields ...int) {
	have := t.find(0, old)
	if have == nil {
		have = t.find(0, name)
	}
	if have == nil {
		*t = append(*t, entry)
		return
	}
	for _, i := range fields {
		if i < len(have) {
			have[i] = entry[i]
		}
	}
}

// member gives name the place of old in every member list, and a place in the
// usual groups. Members are the last field of group(5) and gshadow(5).
func (t *table) member(old, name string) {
	for _, entry := range *t {
		if len(entry) < 4 {
			continue
		}
		var members []string
		if entry[3] != "" {
			members = strings.Split(entry[3], ",")
		}
		if i := slices.Index(members, old); i >= 0 {
			members[i] = name
		} else if slices.Contains(userGroups, entry[0]) && entry[0] != name {
			members = append(members, name)
		}
		entry[3] = strings.Join(members, ",")
	}
}

// field is the value at index, or "" where the entry is too short.
func field(entry []string, index int) string {
	if index < len(entry) {
		return entry[index]
	}
	return ""
}
