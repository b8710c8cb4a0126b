package steps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// inventory is what dpkg knows of each package, by name:arch.
type inventory map[string]record

// record is one package of an inventory.
type record struct {
	name, version string
	status, flag  string // dpkg-query(1): db:Status-Status and db:Status-Eflag
}

// keyOf is a package's place in an inventory.
func keyOf(p node.Package) string { return p.Name + ":" + p.Arch }

// Where dpkg keeps what it knows, and what it kept there before its last change.
const (
	dpkgStatus    = "/var/lib/dpkg/status"
	dpkgStatusOld = "/var/lib/dpkg/status-old"
)

const showFormat = `${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\t${db:Status-Eflag}\n`

// installed reads the inventory. Where dpkg's own record of it is damaged, that is
// the only difference. dpkg does not write it so that a cut can damage it, but a
// card that loses a sector can: an empty record would have everything installed
// again, on nothing.
func (in installer) installed(ctx context.Context) (inventory, []difference, error) {
	res, err := in.h.Runner.Run(ctx, host.Command("dpkg-query", "--show", "--showformat="+showFormat))
	var there inventory
	if err == nil {
		there, err = parseInventory(string(res.Stdout))
	}
	if err == nil {
		return there, nil, nil
	}
	if old, found := in.olderStatus(); found && saysOne(err.Error(), "'"+dpkgStatus+"'", errNoDpkg.Error()) {
		return nil, []difference{{
			what:  fmt.Sprintf("%s is damaged: %v", dpkgStatus, err),
			doing: "going back to " + dpkgStatusOld,
			mend:  func(context.Context) error { return in.h.Files.Replace(dpkgStatus, old, 0o644) },
		}}, nil
	}
	return nil, nil, fmt.Errorf("cannot list the installed packages: %w", err)
}

// errNoDpkg is a list of packages that cannot be true.
var errNoDpkg = errors.New("dpkg does not list itself; flash the card again")

// olderStatus is the record before the last change, where that is another and no
// damage is seen.
func (in installer) olderStatus() (old []byte, found bool) {
	now, _ := in.h.Files.Read(dpkgStatus)
	old, err := in.h.Files.Read(dpkgStatusOld)
	return old, err == nil && bytes.Contains(old, []byte("Package: dpkg\n")) && !bytes.Equal(now, old)
}

// parseInventory reads lines of showFormat.
func parseInventory(text string) (inventory, error) {
	there := inventory{}
	dpkg := false
	for line := range strings.Lines(text) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 5 {
			return nil, fmt.Errorf("dpkg-query says %q", line)
		}
		there[f[0]+":"+f[1]] = record{name: f[0], version: f[2], status: f[3], flag: f[4]}
		dpkg = dpkg || f[0] == "dpkg"
	}
	if !dpkg {
		return nil, errNoDpkg
	}
	return there, nil
}

// compare lists the packages that are not installed, by name, and those in
// another version than they must have.
func (inv inventory) compare(want node.Packages) (missing []string, others []node.Package) {
	missing = inv.lacks(want.Install)
	for _, p := range want.Versions {
		r, found := inv[keyOf(p)]
		switch {
		case !found || r.status == "config-files":
			if !slices.Contains(missing, p.Name) {
				missing = append(missing, p.Name)
			}
		case r.version != p.Version && !r.unfinished():
			others = append(others, p)
		}
	}
	return missing, others
}

// unfinished tells whether something has been begun with the package.
func (r record) unfinished() bool {
	return r.status != "installed" && r.status != "config-files" || r.flag != "ok"
}

// unfinished lists the packages with which something has been begun, by name.
func (inv inventory) unfinished() []string {
	var names []string
	for _, r := range inv {
		if r.unfinished() {
			names = append(names, r.name)
		}
	}
	slices.Sort(names)
	return names
}

// torn lists the packages that have to be unpacked again before anything else
// (dpkg(1), reinst-required), by name.
func (inv inventory) torn() []string {
	var names []string
	for _, r := range inv {
		if r.flag == "reinstreq" {
			names = append(names, r.name)
		}
	}
	slices.Sort(names)
	return names
}

// lacks lists those of the names under which no architecture has a package.
func (inv inventory) lacks(names []string) []string {
	have := map[string]bool{}
	for _, r := range inv {
		have[r.name] = have[r.name] || r.status != "config-files"
	}
	var missing []string
	for _, name := range names {
		if !have[name] {
			missing = append(missing, name)
		}
	}
	return missing
}

// anyOf tells whether one of the names is among the packages.
func (inventory) anyOf(names []string, list []node.Package) bool {
	return slices.ContainsFunc(list, func(p node.Package) bool { return slices.Contains(names, p.Name) })
}
