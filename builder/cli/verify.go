package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"berries/builder/progress"
	"berries/builder/stages"
	"berries/firstboot/host"
)

func newVerify(env Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify IMAGE...",
		Short: "check finished images",
		Long: `verify checks images: partition table, filesystems, that table, cmdline.txt and
fstab name the same partitions, the node file, every file that was written, and
checksum and block map where they lie beside the image. sfdisk and fsck.vfat are
asked too where they are installed. Nothing is changed.
A packed image (.img.zst, .img.xz) is unpacked for it into a folder beside it, which is
removed at the end.
` + exits(exitBadImage),
		Example:           "  berry verify out/cluster01.img",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: imagesAlone,
		RunE: func(c *cobra.Command, a []string) error {
			return verify(c.Context(), env, a, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON, by image")
	return c
}

// verify judges the images, one more at once than there are cores, and prints what
// was found in the order in which they were named.
func verify(ctx context.Context, env Env, images []string, asJSON bool) error {
	for _, image := range images {
		if err := there(image); err != nil {
			return err
		}
	}
	bars := progress.New(env.Stderr, env.Terminal)
	defer bars.Close()
	found := make([][]stages.Finding, len(images))
	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(runtime.NumCPU() + 1)
	for i, image := range images {
		jobs.Go(func() (err error) {
			if found[i], err = stages.Verify(ctx, host.Exec{}, image, bars); err != nil {
				return fmt.Errorf("cannot check %s: %w", image, err)
			}
			return nil
		})
	}
	err := jobs.Wait()
	bars.Close()
	if err != nil {
		return err
	}
	if err := printFindings(env, images, found, asJSON); err != nil {
		return err
	}
	for _, f := range slices.Concat(found...) {
		if f.Error != "" {
			return errBadImage
		}
	}
	return nil
}

// there looks whether an image can be there at all.
func there(image string) error {
	info, err := os.Stat(image)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hinted{fmt.Errorf("%s is not there", image), "berry build PROFILE -o DIR makes images"}
	case err != nil:
		return hinted{fmt.Errorf("cannot check %s: %w", image, err), "ls -l " + image}
	case info.IsDir():
		return hinted{fmt.Errorf("%s is a folder", image), "berry verify " + filepath.Join(image, "IMAGE.img")}
	}
	return nil
}

// printFindings prints what was found of each image, for a person or as JSON.
func printFindings(env Env, images []string, found [][]stages.Finding, asJSON bool) error {
	all := map[string][]stages.Finding{}
	for i, image := range images {
		all[image] = found[i]
		for _, f := range found[i] {
			if !asJSON {
				fmt.Fprintf(env.Stdout, "%s: %s: %s\n", image, f.Check, verdict(f))
			}
		}
	}
	if !asJSON {
		return nil
	}
	return printJSON(env.Stdout, all)
}

// verdict is the outcome of a check in words.
func verdict(f stages.Finding) string {
	if f.Error == "" {
		return "good"
	}
	return "BAD: " + f.Error
}
