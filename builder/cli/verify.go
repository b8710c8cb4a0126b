package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

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
` + exitCodes,
		Example: "  berry verify out/cluster01.img",
		Args:    args(cobra.MinimumNArgs(1)),
		RunE: func(c *cobra.Command, a []string) error {
			all := map[string][]stages.Finding{}
			bad := false
			for _, image := range a {
				findings, err := stages.Verify(c.Context(), host.Exec{}, image)
				if err != nil {
					return fmt.Errorf("cannot check %s: %w", image, err)
				}
				all[image] = findings
				for _, f := range findings {
					bad = bad || f.Error != ""
				}
				if !asJSON {
					printFindings(env, image, findings)
				}
			}
			if asJSON {
				out := json.NewEncoder(env.Stdout)
				out.SetIndent("", "  ")
				if err := out.Encode(all); err != nil {
					return err
				}
			}
			if bad {
				return errBadImage
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON, by image")
	return c
}

func printFindings(env Env, image string, findings []stages.Finding) {
	for _, f := range findings {
		if f.Error == "" {
			fmt.Fprintf(env.Stdout, "%s: %s: good\n", image, f.Check)
		} else {
			fmt.Fprintf(env.Stdout, "%s: %s: BAD: %s\n", image, f.Check, f.Error)
		}
	}
}
