package cli

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"berries/builder/plan"
)

func newPlan(env Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "plan PROFILE [NODE...]",
		Short: "show what build would do, and do nothing",
		Long: `plan shows what each image will hold. It is the dry run of build: it reads the
profile and nothing else, writes nothing and shows no secret.
` + exits(exitMistakes),
		Example:           "  berry plan berries.yaml cluster01",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: profileAndNodes(env, 0),
		RunE: func(_ *cobra.Command, a []string) error {
			p, err := planOf(env, a[0], "", a[1:]...)
			if err != nil {
				return err
			}
			if asJSON {
				out, err := p.JSON()
				if err == nil {
					_, err = env.Stdout.Write(out)
				}
				return err
			}
			return printPlan(env.Stdout, p)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	return c
}

// printPlan writes the plan for a person.
func printPlan(w io.Writer, p *plan.Plan) error {
	fmt.Fprintf(w, "cluster %s, from %s (%s)\n", p.Cluster, cmp.Or(p.Base.Name, p.Base.URL, p.Base.File), p.Suite)
	for _, img := range p.Images {
		brick := "no brick"
		if img.Brick != nil {
			brick = "brick " + img.Brick.Dir + " on LABEL=" + img.Brick.Label
		}
		fmt.Fprintf(w, "\n%s: %s, %s, disk signature %s, root %d MiB, %s\n",
			img.File, img.Node, img.Role, img.Signature, img.RootSize>>20, brick)
		fmt.Fprintf(w, "  cmdline.txt: without %v, with root=PARTUUID=%s-02 %v\n", img.Cmdline.Drop, img.Signature, img.Cmdline.Set)
		fmt.Fprintf(w, "  packages: %s, and what they depend on\n", strings.Join(img.Packages.Install, " "))
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, f := range img.Files {
			fmt.Fprintf(t, "  %s\t%04o\t%d:%d\t%s\t%s\n", f.Kind(), f.Mode, f.UID, f.GID, f.Path, remark(f))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintln(w, "\nand in each: its node file, its SSH host keys, berry-firstboot, fstab, hosts, the user's account")
	return nil
}

// remark says what else there is to know of a file.
func remark(f plan.File) string {
	text := ""
	if f.Link != "" {
		text = "-> " + f.Link + " "
	}
	if f.Secret {
		text += "(secret) "
	}
	if f.If != "" {
		text += "if the base has " + f.If + " "
	}
	if f.Unless != "" {
		text += "unless the base has " + f.Unless
	}
	return text
}
