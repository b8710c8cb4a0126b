package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berries/builder/card"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// flashFlags are the flags of flash.
type flashFlags struct {
	out                  string
	profile, base, cache string // of images that are built for it
	list, json           bool
	yes                  bool
	allow                card.Allow
}

func newFlash(env Env) *cobra.Command {
	var f flashFlags
	c := &cobra.Command{
		Use:   "flash IMAGE|NODE [DEVICE] | NODE=DEVICE...",
		Short: "write images onto cards",
		Long: `flash writes an image onto a card: a file (.img, .img.zst or .img.xz), or that of a
node in the folder of build (-o DIR, out unless given). Several cards are written at
once with NODE=DEVICE for each. Without a DEVICE the cards in this machine are listed,
and you are asked for one.

All that was on the card is lost, so the node's name has to be typed before (or
--yes given). A disk of this system, a mounted one, one in use and one that is too
small are refused; so is one that is not removable or larger than 256 GB, unless you
allow it.

Only what the block map beside the image (.img.bmap) names is written, and the image is
held against it. A packed image is unpacked on its way. Then everything is read back
from the card and compared. What makes a card boot is written last: one that was
interrupted does not boot.

With --profile the images of nodes are built for it, as build does, and are not kept:
they are gone from the cache before the first byte is written. As root, this uses root's
cache, unless --cache says otherwise.
` + exits(exitMistakes, exitBadImage),
		Example: "  berry flash cluster01\n  berry flash out/cluster01.img /dev/sda\n  berry flash cluster01=/dev/sda cluster02=/dev/sdb --yes\n  berry flash cluster02 /dev/sda --profile berries.yaml\n  berry flash --list",
		RunE: func(c *cobra.Command, a []string) error {
			if f.list {
				return listCards(c.Context(), env, a, f)
			}
			return flash(c.Context(), env, a, f)
		},
	}
	c.ValidArgsFunction = imagesAndCards(&f)
	c.Flags().StringVarP(&f.out, "output", "o", "out", "folder with the images of nodes")
	c.Flags().StringVar(&f.profile, "profile", "", "build the images of the nodes, from this profile")
	c.Flags().StringVar(&f.base, "base", "", "with --profile: use this image in place of the profile's base")
	c.Flags().StringVar(&f.cache, "cache", "", "with --profile: folder for downloads and unpacked bases (default ~/.cache/berry)")
	c.Flags().BoolVar(&f.list, "list", false, "only list the cards in this machine")
	c.Flags().BoolVar(&f.json, "json", false, "with --list: print all disks as JSON, with why one is refused")
	c.Flags().BoolVar(&f.yes, "yes", false, "do not ask for the node's name")
	c.Flags().BoolVar(&f.allow.Large, "allow-large", false, "also write on disks larger than 256 GB")
	c.Flags().BoolVar(&f.allow.Fixed, "allow-fixed", false, "also write on disks that are not removable")
	return c
}

// flashJob is one image on its way onto one card.
type flashJob struct {
	named, device string // as typed; device is "" where it is still to be asked for
	image         *card.Image
	card          *card.Card
}

// flash does what newFlash says: everything is looked at and asked before anything is
// written.
func flash(ctx context.Context, env Env, a []string, f flashFlags) (err error) {
	jobs, err := flashJobs(a, f)
	if err != nil {
		return err
	}
	machine, err := card.ThisMachine()
	if err != nil {
		return refused(err)
	}
	defer func() {
		for _, j := range jobs {
			err = errors.Join(err, j.close())
		}
	}()
	if err := openImages(ctx, env, machine, jobs, f); err != nil {
		return err
	}
	if jobs[0].device == "" {
		if err := jobs[0].choose(ctx, env, machine, f); err != nil {
			return err
		}
	}
	for _, j := range jobs {
		err := j.openCard(ctx, machine, f.allow)
		if errors.Is(err, fs.ErrPermission) {
			return hinted{err, "sudo " + command(jobs, f)}
		}
		if err != nil {
			return err
		}
	}
	if err := confirm(ctx, env, jobs, f); err != nil {
		return err
	}
	return writeCards(ctx, env, jobs)
}

// close gives back what a job has taken.
func (j *flashJob) close() (err error) {
	if j.image != nil {
		err = j.image.Close()
	}
	if j.card != nil {
		err = errors.Join(err, j.card.Close())
	}
	return err
}

// openImages finds the images of all jobs, or has them built.
func openImages(ctx context.Context, env Env, machine card.Machine, jobs []*flashJob, f flashFlags) error {
	if f.profile != "" {
		return compose(ctx, env, machine, jobs, f)
	}
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	for _, j := range jobs {
		if err := j.openImage(ctx, f.out, bars); err != nil {
			return err
		}
	}
	return nil
}

// flashJobs reads the command line.
func flashJobs(a []string, f flashFlags) ([]*flashJob, error) {
	var jobs []*flashJob
	var pairs int
	for _, arg := range a {
		j := &flashJob{named: arg}
		if i := strings.LastIndex(arg, "="); i >= 0 {
			j.named, j.device = arg[:i], arg[i+1:]
			pairs++
		}
		jobs = append(jobs, j)
	}
	wrong := func(format string, args ...any) ([]*flashJob, error) {
		return nil, hinted{usageError{fmt.Errorf(format, args...)}, "berry flash --help"}
	}
	switch {
	case len(a) == 0:
		return wrong("flash needs an image or a node")
	case f.json:
		return wrong("--json goes with --list")
	case f.profile != "" && f.out != "out":
		return wrong("--profile has images built, and -o is where built ones are: one of them is enough")
	case f.profile == "" && f.base+f.cache != "":
		return wrong("--base and --cache go with --profile")
	case pairs == 0 && len(a) == 2:
		jobs = []*flashJob{{named: a[0], device: a[1]}}
	case pairs == 0 && len(a) == 1:
		return jobs, nil
	case pairs < len(a):
		return wrong("several cards need NODE=DEVICE for each")
	}
	seen := map[string]bool{}
	for _, j := range jobs {
		switch {
		case j.named == "" || j.device == "":
			return wrong("%q is not NODE=DEVICE", j.named+"="+j.device)
		case seen[j.named] || seen[j.device]:
			return wrong("%s and %s: each node and each device may be there once", j.named, j.device)
		}
		seen[j.named], seen[j.device] = true, true
	}
	return jobs, nil
}

// openCard looks at a device from all sides and takes it.
func (j *flashJob) openCard(ctx context.Context, machine card.Machine, allow card.Allow) error {
	d, err := machine.Find(j.device)
	if err == nil {
		err = card.Refuse(d, j.image.Size, allow)
	}
	if err != nil {
		return refused(err)
	}
	d.Look(ctx, host.Exec{})
	j.card, err = card.Open(d)
	return refused(err)
}

// refused gives what went wrong its hint line.
func refused(err error) error {
	var r *card.Refusal
	var unfinished *card.Unfinished
	switch {
	case errors.As(err, &r):
		return hinted{err, r.Hint}
	case errors.As(err, new(card.BadImage)):
		return hinted{err, "build it again: berry build PROFILE NODE -o DIR"}
	case errors.As(err, &unfinished):
		return hinted{err, "try again; if it fails again, take another card or another reader"}
	}
	return err
}

// confirm has the name of each node typed.
func confirm(ctx context.Context, env Env, jobs []*flashJob, f flashFlags) error {
	for _, j := range jobs {
		fmt.Fprintf(env.Stderr, "%s: %s; it holds %s\n", j.card.Path, j.card.What(), j.card.Holds())
	}
	if f.yes {
		return nil
	}
	if !env.Interactive {
		return hinted{usageError{errors.New("nobody is there to be asked whether all that may be overwritten")}, command(jobs, f) + " --yes"}
	}
	for _, j := range jobs {
		answer, err := ask(ctx, env, fmt.Sprintf("All of %s will be lost. To write %s onto it, type %[2]s: ", j.card.Path, j.image.Name))
		if err != nil {
			return err
		}
		if answer != j.image.Name {
			return hinted{fmt.Errorf("%q is not %s; nothing was written", answer, j.image.Name), command(jobs, f)}
		}
	}
	return nil
}

// command is what was typed, with all that was asked for since.
func command(jobs []*flashJob, f flashFlags) string {
	words := []string{"berry flash"}
	for _, j := range jobs {
		if len(jobs) == 1 {
			words = append(words, j.named, j.device)
		} else {
			words = append(words, j.named+"="+j.device)
		}
	}
	if f.out != "out" {
		words = append(words, "-o", f.out)
	}
	for _, flag := range [][2]string{{"--profile", f.profile}, {"--base", f.base}, {"--cache", f.cache}} {
		if flag[1] != "" {
			words = append(words, flag[0], flag[1])
		}
	}
	if f.allow.Large {
		words = append(words, "--allow-large")
	}
	if f.allow.Fixed {
		words = append(words, "--allow-fixed")
	}
	if f.yes {
		words = append(words, "--yes")
	}
	return strings.Join(words, " ")
}

// writeCards writes all cards at once. One that fails does not stop the others.
func writeCards(ctx context.Context, env Env, jobs []*flashJob) error {
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	type end struct {
		err  error
		took time.Duration
	}
	ends := make([]chan end, len(jobs))
	for i, j := range jobs {
		ends[i] = make(chan end, 1)
		go func() {
			began := time.Now()
			err := j.card.Write(ctx, j.image, bars)
			ends[i] <- end{err, time.Since(began)}
		}()
	}
	var errs []error
	var said []string
	for i, j := range jobs {
		e := <-ends[i]
		if e.err != nil {
			errs = append(errs, fmt.Errorf("cannot write %s: %w", j.image.Name, e.err))
			said = append(said, leftOf(j, e.err))
			continue
		}
		line := fmt.Sprintf("%s is on %s", j.image.Name, j.card.Path)
		said = append(said, line)
		bars.Println(fmt.Sprintf("%s: %s written and read back in %.1fs; take it out", line, progress.Bytes(j.image.Mapped()), e.took.Seconds()))
	}
	bars.Close()
	switch err := errors.Join(errs...); {
	case err != nil && ctx.Err() != nil:
		return interrupted{err, strings.Join(said, "; ")}
	default:
		return refused(err)
	}
}

// leftOf says what an error left of a card.
func leftOf(j *flashJob, err error) string {
	var u *card.Unfinished
	if errors.As(err, &u) {
		return j.card.Path + " is not finished, and does not boot: flash it again"
	}
	return "nothing was written on " + j.card.Path
}
