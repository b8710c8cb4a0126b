package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"berries/builder/fetch"
	"berries/builder/pack"
	"berries/builder/plan"
	"berries/builder/progress"
	"berries/builder/secrets"
	"berries/builder/stages"
	"berries/firstboot/host"
	"berries/profiles"
)

// buildFlags are the flags of build.
type buildFlags struct {
	out, base, cache string
	jobs             int
	forms            []string
	json, verbose    bool
}

func newBuild(env Env) *cobra.Command {
	var f buildFlags
	c := &cobra.Command{
		Use:   "build PROFILE [NODE...] -o DIR",
		Short: "make the images",
		Long: `build makes the image of every node, or of the named ones, in DIR, each with its
checksum, block map, bill of materials and manifest beside it. It needs no root. An image gets its
name only after it was checked; what is interrupted leaves nothing behind.

With --form an image is also, or only, packed: as img.zst, which is quick, or as img.xz,
which is smaller. For img.xz the blocks of the base's own .xz file in which nothing was
changed are copied; where the base did not come as one (of several blocks), everything
is packed anew, which takes minutes. What lies beside an image is named after the .img
in every form, and verify and flash take each.

The base and the packages are those of the lock file beside the profile, which the
first build makes (see berry lock). SSH host keys are made once and kept in the
secrets folder beside it (berries.yaml: berries.secrets); keep that folder, and
keep it to yourself.

The same profile, lock and secrets folder give the same bytes. All times in an
image are that of the base's last change, or SOURCE_DATE_EPOCH (seconds since 1970)
where it is set.
` + exits(exitMistakes),
		Example:           "  berry build berries.yaml -o out\n  berry build berries.yaml cluster02 -o out --base raspios.img.xz\n  berry build berries.yaml -o out --form img,img.xz",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: profileAndNodes(env, 0),
		RunE: func(c *cobra.Command, a []string) error {
			return build(c.Context(), env, a[0], a[1:], f)
		},
	}
	c.Flags().StringVarP(&f.out, "output", "o", "", "folder for the images")
	f.fromWhere(c)
	c.Flags().IntVar(&f.jobs, "jobs", 0, "images made at once (default: one more than there are cores)")
	c.Flags().StringSliceVar(&f.forms, "form", []string{string(pack.Raw)}, "forms of the images: img, img.zst, img.xz; may be given several times")
	c.Flags().BoolVar(&f.json, "json", false, "print the results as JSON")
	needs(c, "output")
	return c
}

// fromWhere defines the flags of every command that gets a base and packages.
func (f *buildFlags) fromWhere(c *cobra.Command) {
	c.Flags().StringVar(&f.base, "base", "", "use this image (file, URL or catalogue name) in place of the profile's base")
	c.Flags().StringVar(&f.cache, "cache", "", "folder for downloads and unpacked bases (default ~/.cache/berry)")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "print every command that is run")
}

// build does what newBuild says.
func build(ctx context.Context, env Env, profile string, nodes []string, f buildFlags) error {
	p, err := planOf(env, profile, f.base, nodes...)
	if err != nil {
		return err
	}
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	o, err := buildOptions(env, profile, f, bars)
	if err != nil {
		return err
	}
	began := time.Now()
	results, err := stages.Build(ctx, o, p)
	bars.Close()
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(env.Stdout, results)
	}
	return printResults(env.Stdout, results, time.Since(began))
}

// planOf plans the cluster of a profile, and keeps the named nodes; see load for the base.
func planOf(env Env, profile, base string, nodes ...string) (*plan.Plan, error) {
	cluster, err := load(env, profile, base)
	if err != nil {
		return nil, err
	}
	return planNodes(cluster, nodes)
}

// planNodes plans the whole cluster, and keeps the named nodes.
func planNodes(c *profiles.Cluster, names []string) (*plan.Plan, error) {
	p, err := plan.New(c)
	if err != nil {
		return nil, err
	}
	some, err := p.Only(names)
	if err != nil {
		var known []string
		for _, img := range p.Images {
			known = append(known, img.Node)
		}
		return nil, hinted{usageError{err}, "its nodes are " + strings.Join(known, ", ")}
	}
	return some, nil
}

// buildOptions gathers what a build takes from outside.
func buildOptions(env Env, profile string, f buildFlags, bars *progress.Bars) (stages.Options, error) {
	epoch, err := sourceDate(env)
	if err != nil {
		return stages.Options{}, err
	}
	forms, err := pack.ParseForms(f.forms)
	if err != nil {
		return stages.Options{}, hinted{usageError{err}, "berry build PROFILE -o DIR --form img,img.xz"}
	}
	cache, err := cacheDir(env, f.cache)
	if err != nil {
		return stages.Options{}, err
	}
	stem := strings.TrimSuffix(profile, filepath.Ext(profile))
	folder, err := secrets.Open(secretsDir(profile))
	if err != nil {
		return stages.Options{}, err
	}
	runner := host.Exec{}
	if f.verbose {
		runner.Log = bars.Println
	}
	return stages.Options{
		Out:       f.out,
		Lock:      stem + ".lock.yaml",
		Secrets:   folder,
		Fetch:     &fetch.Client{HTTP: env.HTTP, Cache: cache, Progress: bars, Runner: runner, Log: bars.Println},
		Runner:    runner,
		Firstboot: env.Firstboot,
		Progress:  bars,
		Jobs:      f.jobs,
		Forms:     forms,
		Epoch:     epoch,
		Version:   version(),
	}, nil
}

// sourceDate reads SOURCE_DATE_EPOCH (reproducible-builds.org); zero when it is
// not set.
func sourceDate(env Env) (time.Time, error) {
	text := env.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 {
		return time.Time{}, hinted{usageError{fmt.Errorf("SOURCE_DATE_EPOCH is %q, and must be seconds since 1970", text)},
			"SOURCE_DATE_EPOCH=$(date +%s) berry build ..."}
	}
	return time.Unix(seconds, 0), nil
}

// printResults writes the finished images for a person.
func printResults(w io.Writer, results []stages.Result, took time.Duration) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tROLE\tIMAGE\tCARD\tTO WRITE")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d MiB\t%d MiB\n", r.Node, r.Role, named(r, 0), r.Size>>20, r.Mapped>>20)
		for i := range r.Files[1:] {
			fmt.Fprintf(t, "\t\t%s\t\t\n", named(r, i+1))
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d images in %.1fs, each checked\n", len(results), took.Seconds())
	return err
}

// named is the path of a file of the result, with its size when that is not the image's.
func named(r stages.Result, i int) string {
	f := r.Files[i]
	path := filepath.Join(filepath.Dir(r.Path), f.File)
	if f.Form.Packed() {
		path += fmt.Sprintf(" (%d MiB)", f.Size>>20)
	}
	return path
}
