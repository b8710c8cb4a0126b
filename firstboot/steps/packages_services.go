package steps

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
)

// How services of new packages are kept from running before a step has configured
// them.
//
// Debian enables and starts a service as soon as its package is configured. While
// we install, policy-rc.d (invoke-rc.d(8)) says no to every start. A boot after a
// cut would start what has been enabled by then: so before the first package is
// touched, a list is made in the pool of what is enabled, and a generator
// (systemd.generator(7)) is put in place that masks, at every boot for as long as
// the pool is there, whatever else of our packages is enabled. At the end it
// removes the links that enable them, and goes away itself. Timers stay, for they
// are housekeeping, and so does whatever was enabled before.
const (
	policyFile = "/usr/sbin/policy-rc.d"
	generator  = "/etc/systemd/system-generators/berry-packages"
	unitDir    = "/etc/systemd/system"
)

const (
	policyMark = "# berry-firstboot: "
	policy     = "#!/bin/sh\n" + policyMark + "services are not started while packages are installed\nexit 101\n"
)

// enabledList is where the list of what was enabled before lies.
func (in installer) enabledList() string { return in.p.Pool + "/enabled-before" }

// holdServices writes the list, once, and then the generator.
func (in installer) holdServices() error {
	if !in.h.Files.Exists(in.enabledList()) {
		list, err := in.enabled()
		if err != nil {
			return err
		}
		if err := in.h.Files.Replace(in.enabledList(), []byte(list), 0o644); err != nil {
			return err
		}
	}
	if err := in.h.Files.Mkdir(path.Dir(generator), 0o755); err != nil {
		return err
	}
	return in.h.Files.Replace(generator, []byte(in.generatorText()), 0o755)
}

// enabled lists the links that enable units, one a line.
func (in installer) enabled() (string, error) {
	dirs, err := in.h.Files.List(unitDir)
	if err != nil {
		return "", err
	}
	var list strings.Builder
	for _, dir := range dirs {
		if !strings.HasSuffix(dir, ".wants") && !strings.HasSuffix(dir, ".requires") {
			continue
		}
		names, err := in.h.Files.List(unitDir + "/" + dir)
		if err != nil {
			return "", err
		}
		for _, name := range names {
			fmt.Fprintf(&list, "%s/%s/%s\n", unitDir, dir, name)
		}
	}
	return list.String(), nil
}

// generatorText is the generator for units that a package of ours brings. Systemd
// runs it with three folders, before the card takes writes; units in the second
// come before all others. Without them it removes the links.
func (in installer) generatorText() string {
	var lists strings.Builder
	for _, p := range in.p.Versions {
		fmt.Fprintf(&lists, "%s.list %s.list ", p.Name, keyOf(p))
	}
	return fmt.Sprintf(`#!/bin/sh
%[1]sservices of new packages wait until they are configured
[ -e %[3]s ] || exit 0
cd /var/lib/dpkg/info || exit
for link in %[2]s/*.wants/* %[2]s/*.requires/*; do
	unit=${link##*/}
	[ -L "$link" ] && [ "$unit" = "${unit%%.timer}" ] && ! grep -qxF "$link" %[3]s || continue
	grep -qsxF -e "/lib/systemd/system/$unit" -e "/usr/lib/systemd/system/$unit" %[4]s || continue
	if [ $# = 3 ]; then
		ln -sf /dev/null "$2/$unit"
	else
		rm "$link" || exit
	fi
done
`, policyMark, unitDir, in.enabledList(), strings.TrimSpace(lists.String()))
}

// release takes the generator away, once it has nothing more to say.
func (in installer) release(ctx context.Context) error {
	if err := in.h.Units.Reload(ctx); err != nil {
		return err
	}
	return in.h.Files.Remove(generator)
}

// policyIsOurs tells whether policy-rc.d is the one that we wrote, which an
// earlier version may have done in other words.
func (in installer) policyIsOurs() bool {
	text, err := in.h.Files.Read(policyFile)
	return err == nil && strings.Contains(string(text), policyMark)
}

// quietly prepares apt's folder and does something with packages while no service
// is started, and while the root filesystem keeps order.
func (in installer) quietly(ctx context.Context, do func() error) (err error) {
	if in.h.Files.Exists(policyFile) && !in.policyIsOurs() {
		return fmt.Errorf("somebody else's %s decides which services start, and is not overwritten; type: rm %s", policyFile, policyFile)
	}
	for _, prepare := range []func() error{
		in.prepare,
		in.holdServices,
		func() error { return in.h.Files.Replace(policyFile, []byte(policy), 0o755) },
		func() error { return in.delay(ctx, false) },
	} {
		if err := prepare(); err != nil {
			return err
		}
	}
	defer func() { err = errors.Join(err, in.h.Files.Remove(policyFile)) }()
	return do()
}
