package steps

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Packages installs what the node's role needs from the pool of packages in the
// image, without a network, takes away what a cluster does not need, and gives
// the pool's space back.
//
// It needs apt, dpkg, and the pool: a folder of .deb files with an index. It
// leaves every package of the node file installed in exactly its version, those
// asked for marked as manual and the others as automatic, and no pool. None of
// them has been started or will be at the next boot (see services): the steps
// that configure them enable them. Conffiles that are there already are kept.
//
// That the pool is there means that the work is not done. It vanishes in one
// rename, once everything has been checked and brought to the card, and is
// removed under its other name; so from then on packages that the machine's owner
// upgrades, adds or takes away are none of our business, but one of ours that is
// not installed any more is told.
//
// A cut at any moment leaves something that dpkg can go on from, since it brings
// a package's files to the card before it says that they are there: nothing here
// may turn that off (force-unsafe-io). What an interrupted run has left is
// finished first (dpkg --configure -a), then unpacked again where dpkg asks for that
// (reinstreq), then repaired from the pool (apt-get -f install). Another program that holds dpkg's locks, such as unattended-upgrades,
// is waited for.
type Packages struct{}

// Name implements Step.
func (Packages) Name() string { return "packages" }

// Look implements Step. It runs one dpkg-query.
func (Packages) Look(ctx context.Context, h *host.Host, f node.File) (State, error) {
	list, err := installer{h, *f.Packages, func(string) {}}.differences(ctx)
	return stateOf(list), err
}

// Act implements Step.
func (Packages) Act(ctx context.Context, h *host.Host, f node.File, say func(string)) error {
	in := installer{h, *f.Packages, say}
	return mendAll(ctx, say, func() ([]difference, error) { return in.differences(ctx) })
}

// installer does the work of the step.
type installer struct {
	h   *host.Host
	p   node.Packages
	say func(doing string)
}

// gone is the pool's name from when nothing needs it any more until it is
// removed.
func (in installer) gone() string { return in.p.Pool + ".gone" }

func (in installer) differences(ctx context.Context) ([]difference, error) {
	there, damage, err := in.installed(ctx)
	if err != nil || damage != nil {
		return damage, err
	}
	var list []difference
	if in.h.Files.Exists(in.p.Pool) {
		list = append(in.toInstall(there), in.toPurge(there)...)
		list = append(list, difference{what: in.p.Pool + " takes up space", doing: "freeing " + in.p.Pool, mend: in.finish})
	} else {
		list = in.broken(there)
	}
	if in.h.Files.Exists(in.gone()) {
		list = append(list, difference{what: in.gone() + " takes up space", doing: "freeing " + in.gone(),
			mend: func(context.Context) error { return in.h.Files.Remove(in.gone()) }})
	}
	if in.h.Files.Exists(generator) && !in.h.Files.Exists(in.p.Pool) {
		list = append(list, difference{what: generator + " is left over", doing: "removing " + generator, mend: in.release})
	}
	if in.policyIsOurs() {
		list = append(list, difference{what: policyFile + " keeps services from being started", doing: "removing " + policyFile,
			mend: func(context.Context) error { return in.h.Files.Remove(policyFile) }})
	}
	return list, nil
}

// toInstall compares what is installed with what must be, while the pool is
// there.
func (in installer) toInstall(there inventory) []difference {
	missing, others := there.compare(in.p)
	half := there.unfinished()
	if len(missing)+len(others)+len(half) == 0 {
		return nil
	}
	var what []string
	for _, v := range others {
		what = append(what, fmt.Sprintf("%s is %s, not %s; type: apt-get -c %s install --allow-downgrades %s=%s",
			v.Name, there[keyOf(v)].version, v.Version, aptConf, v.Name, v.Version))
	}
	if len(missing) > 0 {
		what = append(what, "not installed: "+few(missing))
	}
	if len(half) > 0 {
		what = append(what, "half installed: "+few(half)+"; type: dpkg --audit")
	}
	return []difference{{
		what:  strings.Join(what, "; "),
		doing: fmt.Sprintf("installing %d packages", len(in.p.Versions)),
		mend:  func(ctx context.Context) error { return in.install(ctx, there.torn()) },
	}}
}

// broken compares when the pool is gone. A version that is not the node file's is
// the owner's.
func (in installer) broken(there inventory) []difference {
	var list []difference
	if half := there.unfinished(); len(half) > 0 && there.anyOf(half, in.p.Versions) {
		list = append(list, difference{
			what:  "half installed: " + few(half) + "; type: apt-get -f install",
			doing: "finishing what was begun",
			mend:  in.configure,
		})
	}
	missing, _ := there.compare(in.p)
	if len(missing) > 0 {
		list = append(list, difference{what: fmt.Sprintf("not installed, and there is no %s to install from: %s; type: apt-get install %s",
			in.p.Pool, few(missing), strings.Join(missing, " "))})
	}
	return list
}

// toPurge lists what the base has of what is to be taken away, be it only
// configuration files.
func (in installer) toPurge(there inventory) []difference {
	var names []string
	for _, r := range there {
		if slices.Contains(in.p.Purge, r.name) && !slices.Contains(names, r.name) {
			names = append(names, r.name)
		}
	}
	if names == nil {
		return nil
	}
	slices.Sort(names)
	return []difference{{
		what:  "to be taken away: " + few(names),
		doing: "taking away " + few(names),
		mend:  func(ctx context.Context) error { return in.purge(ctx, names) },
	}}
}

// few names the first of many.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
