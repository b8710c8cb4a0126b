package debian

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"berries/firstboot/host"
)

// Mirror is one Debian archive that the host's apt uses.
type Mirror struct {
	URI     string // such as http://ftp.example.org/debian/
	Suffix  string // what follows the suite's name: "", "-updates" or "-security"
	Keyring string // file that signs it; "" means the keys apt trusts anyway
}

// ErrNoMirror is a host whose apt has no Debian archive.
var ErrNoMirror = errors.New("apt on this machine has fetched no Debian package lists; type: apt-get update")

// archiveKeyring is where Debian's own keys lie (package debian-archive-keyring).
// Since it signs every suite it serves suites the host does not use.
const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Mirrors asks the host's apt for its Debian archives. Archives of other
// origins are left out: what they hold is not in a Raspberry Pi OS.
func Mirrors(ctx context.Context, run host.Runner) ([]Mirror, error) {
	res, err := run.Run(ctx, host.Command("apt-get", "indextargets", "Created-By: Packages"))
	if err != nil {
		return nil, err
	}
	mirrors := parseTargets(res.Stdout)
	if len(mirrors) == 0 {
		return nil, ErrNoMirror
	}
	for i := range mirrors {
		if _, err := os.Stat(archiveKeyring); err == nil && mirrors[i].Keyring == "" {
			mirrors[i].Keyring = archiveKeyring
		}
	}
	return mirrors, nil
}

// parseTargets reads what `apt-get indextargets` prints: one stanza for each
// index file. Of several archives for one purpose the first is kept.
func parseTargets(text []byte) []Mirror {
	var mirrors []Mirror
	seen := map[string]bool{}
	stanza := map[string]string{}
	add := func() {
		m, ok := mirrorOf(stanza)
		if ok && !seen[m.Suffix] {
			seen[m.Suffix] = true
			mirrors = append(mirrors, m)
		}
		stanza = map[string]string{}
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		key, value, found := strings.Cut(lines.Text(), ": ")
		if !found {
			add()
			continue
		}
		stanza[key] = value
	}
	add()
	return mirrors
}

// mirrorOf turns one stanza into a mirror, unless it is of another origin, not
// in component main, or of a suite such as backports.
func mirrorOf(stanza map[string]string) (Mirror, bool) {
	if stanza["Origin"] != "Debian" || stanza["Component"] != "main" {
		return Mirror{}, false
	}
	m := Mirror{URI: stanza["Repo-URI"]}
	if key := stanza["Signed-By"]; strings.HasPrefix(key, "/") {
		m.Keyring, _, _ = strings.Cut(key, ",")
	}
	suite, _, _ := strings.Cut(stanza["Codename"], "-")
	m.Suffix = strings.TrimPrefix(stanza["Codename"], suite)
	switch m.Suffix {
	case "", "-updates", "-security":
		return m, true
	}
	return Mirror{}, false
}

// SourceLine is the mirror as a line of sources.list for a suite.
func (m Mirror) SourceLine(suite, arch string, components []string) string {
	options := "arch=" + arch
	if m.Keyring != "" {
		options += " signed-by=" + m.Keyring
	}
	return fmt.Sprintf("deb [%s] %s %s%s %s\n", options, m.URI, suite, m.Suffix, strings.Join(components, " "))
}
