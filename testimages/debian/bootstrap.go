package debian

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"berries/firstboot/host"
)

// Where dpkg inside the root finds the package files.
const archivesInside = "/var/cache/apt/archives"

// Extract unpacks package files into the root by this machine's own tools, so
// that there is a shell and a dpkg to enter. It leaves no trace in dpkg's
// records: Install must follow with the same packages.
func (r *Root) Extract(ctx context.Context, arch, archives string, list []Package) error {
	if err := r.mergeUsr(arch); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for _, p := range list {
		group.Go(func() error {
			const script = `dpkg-deb --fsys-tarfile "$1" | tar --extract --keep-directory-symlink --directory="$2"`
			_, err := r.Run.Run(ctx, host.Command("bash", "-o", "pipefail", "-c", script, "extract", filepath.Join(archives, p.File), r.Dir))
			return err
		})
	}
	return group.Wait()
}

// mergeUsr makes the links of a merged /usr, which must be there before the
// first package, and the files without which dpkg does not start.
func (r *Root) mergeUsr(arch string) error {
	links := []string{"bin", "lib", "sbin"}
	if arch == "amd64" {
		links = append(links, "lib64")
	}
	for _, name := range links {
		if err := os.MkdirAll(filepath.Join(r.Dir, "usr", name), 0o755); err != nil {
			return err
		}
		if err := os.Symlink("usr/"+name, filepath.Join(r.Dir, name)); err != nil {
			return err
		}
	}
	db := filepath.Join(r.Dir, "var/lib/dpkg")
	for _, dir := range []string{"info", "updates", "triggers"} {
		if err := os.MkdirAll(filepath.Join(db, dir), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(db, "status"), nil, 0o644)
}

// Unpack has the root's own dpkg unpack packages. Their files must be bound at
// archivesInside.
func (r *Root) Unpack(ctx context.Context, list []Package) error {
	var files strings.Builder
	for _, p := range list {
		fmt.Fprintln(&files, archivesInside+"/"+p.File)
	}
	const script = `exec xargs dpkg --unpack --force-depends --force-unsafe-io`
	return r.Do(ctx, strings.NewReader(files.String()), "sh", "-c", script)
}

// Configure has the root's own dpkg configure all that is unpacked.
func (r *Root) Configure(ctx context.Context) error {
	return r.Do(ctx, nil, "dpkg", "--configure", "--pending", "--force-unsafe-io")
}

// Without gives the packages of list that are not in others.
func Without(list, others []Package) []Package {
	return slices.DeleteFunc(slices.Clone(list), func(p Package) bool { return slices.Contains(others, p) })
}

// Preseed answers debconf's questions, one "package question type value" line
// each.
func (r *Root) Preseed(ctx context.Context, answers string) error {
	return r.Do(ctx, strings.NewReader(answers), "debconf-set-selections")
}

// Divert puts a program that does nothing in the place of another, so that no
// maintainer script runs it. Undivert takes it back.
func (r *Root) Divert(ctx context.Context, program string) error {
	if err := r.Do(ctx, nil, "dpkg-divert", "--local", "--rename", "--add", program); err != nil {
		return err
	}
	return os.Symlink("/usr/bin/true", filepath.Join(r.Dir, program))
}

// Undivert puts the program back that Divert moved away.
func (r *Root) Undivert(ctx context.Context, program string) error {
	if err := os.Remove(filepath.Join(r.Dir, program)); err != nil {
		return err
	}
	return r.Do(ctx, nil, "dpkg-divert", "--local", "--rename", "--remove", program)
}

// Verify has this machine's dpkg compare every installed file with its package's
// own checksum: a borrowed program that stayed would show.
func (r *Root) Verify(ctx context.Context) error {
	res, err := r.Run.Run(ctx, host.Command("dpkg", "--root="+r.Dir, "--verify"))
	if err != nil {
		return err
	}
	// "c" marks configuration files, which maintainer scripts may change.
	for line := range strings.Lines(string(res.Stdout)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			return fmt.Errorf("an installed file is not as its package has it: %s", strings.TrimSpace(line))
		}
	}
	return nil
}
