package cli

import (
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"berries/builder/fetch"
	"berries/firstboot/host"
)

func newCatalogue(env Env) *cobra.Command {
	var asJSON bool
	var url, cache string
	c := &cobra.Command{
		Use:   "catalogue",
		Short: "list the official images a profile can name as its base",
		Long: `catalogue lists the Raspberry Pi OS images of Raspberry Pi's own catalogue. A
profile says base: NAME for the newest of a name, or base: DATE-NAME to stay with
one. Without a network the last catalogue seen is listed.
` + exits(),
		Example: "  berry catalogue",
		Args:    args(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			dir, err := cacheDir(env, cache)
			if err != nil {
				return err
			}
			client := &fetch.Client{HTTP: env.HTTP, Cache: dir, Runner: host.Exec{}, CatalogueURL: url,
				Log: func(line string) { fmt.Fprintln(env.Stderr, line) }}
			entries, err := client.Catalogue(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(env.Stdout, entries)
			}
			t := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
			fmt.Fprintln(t, "NAME\tDATE\tARCH\tDOWNLOAD\tTITLE")
			for _, e := range entries {
				fmt.Fprintf(t, "%s\t%s\t%s\t%d MiB\t%s\n", e.Name, e.ReleaseDate, e.Arch, e.DownloadSize>>20, e.Title)
			}
			return t.Flush()
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the entries as JSON")
	c.Flags().StringVar(&url, "url", "", "another catalogue in the same form")
	c.Flags().StringVar(&cache, "cache", "", "folder for downloads (default ~/.cache/berry)")
	return c
}
