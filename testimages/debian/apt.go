package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"berries/firstboot/host"
)

// Archive is apt looking at one suite for one architecture. Its lists and
// packages lie in a folder of their own; proxies, keys and everything else are
// the host's.
type Archive struct {
	Suite   string // such as "trixie"
	Arch    string // Debian's name: "arm64", "amd64"
	Mirrors []Mirror
	Dir     string // kept from run to run
	Run     host.Runner
}

var components = []string{"main", "non-free-firmware"}

// Package is one package file, as apt resolved it.
type Package struct {
	Name   string
	File   string // in the folder that Fetch gives, such as sed_4.9-2_arm64.deb
	Digest string // as apt names it, such as SHA256:3b…
}

// Open writes apt's configuration and fetches the package lists. Without a
// network the lists of the last time are used.
func (a Archive) Open(ctx context.Context) error {
	for _, dir := range []string{"lists/partial", "archives/partial", "none/partial"} {
		if err := os.MkdirAll(filepath.Join(a.Dir, dir), 0o755); err != nil {
			return err
		}
	}
	var sources strings.Builder
	for _, m := range a.Mirrors {
		sources.WriteString(m.SourceLine(a.Suite, a.Arch, components))
	}
	files := map[string]string{"apt.conf": a.config(), "sources.list": sources.String(), "status": ""}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(a.Dir, name), []byte(content), 0o644); err != nil {
			return err
		}
	}
	_, err := a.Run.Run(ctx, a.apt("update"))
	return err
}

// config is apt's configuration. It is read after the host's, and keeps the
// host's hooks from running.
func (a Archive) config() string {
	return fmt.Sprintf(`#clear APT::Update;
#clear DPkg;
APT::Architecture "%[1]s";
APT::Architectures { "%[1]s"; };
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Get::Assume-Yes "true";
Acquire::Languages { "none"; };
Acquire::http::Timeout "20";
Dir::State "%[2]s";
Dir::State::status "%[2]s/status";
Dir::State::extended_states "%[2]s/extended_states";
Dir::State::lists "%[2]s/lists";
Dir::Cache "%[2]s";
Dir::Cache::archives "%[2]s/archives";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Log "%[2]s";
Dir::Etc::sourcelist "%[2]s/sources.list";
Dir::Etc::sourceparts "%[2]s/none";
Dir::Etc::preferences "%[2]s/none/preferences";
Dir::Etc::preferencesparts "%[2]s/none";
`, a.Arch, a.Dir)
}

func (a Archive) apt(args ...string) host.Cmd {
	return host.Command("apt-get", append([]string{"-qq", "-c", filepath.Join(a.Dir, "apt.conf")}, args...)...)
}

// Resolve says which packages installing wanted in an empty system brings in,
// sorted by name. Wanted may hold apt patterns such as ?essential.
func (a Archive) Resolve(ctx context.Context, wanted ...string) ([]Package, error) {
	// print-uris leaves out what is already downloaded, hence the empty folder. Of
	// itself it prints MD5 sums, which security updates have none of.
	args := append([]string{"-o", "Dir::Cache::archives=" + filepath.Join(a.Dir, "none"), "-o", "Acquire::ForceHash=SHA256",
		"--print-uris", "install"}, wanted...)
	res, err := a.Run.Run(ctx, a.apt(args...))
	if err != nil {
		return nil, err
	}
	return parseURIs(string(res.Stdout))
}

// parseURIs reads apt's lines: 'URI' file-name size digest.
func parseURIs(text string) ([]Package, error) {
	var list []Package
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 4 {
			return nil, fmt.Errorf("cannot read apt's line %q: it should have 4 fields", line)
		}
		name, _, _ := strings.Cut(fields[1], "_")
		list = append(list, Package{Name: name, File: fields[1], Digest: fields[3]})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Name < list[j].Name })
	return list, nil
}

// Fetch downloads packages that Resolve gave for the same wanted, as far as they
// are not there already, and returns the folder they lie in.
func (a Archive) Fetch(ctx context.Context, wanted ...string) (string, error) {
	_, err := a.Run.Run(ctx, a.apt(append([]string{"--download-only", "install"}, wanted...)...))
	return filepath.Join(a.Dir, "archives"), err
}

// Digest is a fingerprint of a list of packages: it changes whenever one of them
// does.
func Digest(list []Package) string {
	sum := sha256.New()
	for _, p := range list {
		fmt.Fprintln(sum, p.File, p.Digest)
	}
	return hex.EncodeToString(sum.Sum(nil))
}
