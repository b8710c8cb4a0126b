package cli

import "github.com/spf13/cobra"

func newHelp(env Env) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "explain a command",
		Long:    "help prints what a command does, as its --help does.\n" + exits(),
		Example: "  berry help build",
		ValidArgsFunction: func(c *cobra.Command, a []string, _ string) ([]string, cobra.ShellCompDirective) {
			of, _, err := c.Root().Find(a)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return commandsOf(of), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, a []string) error {
			of, rest, err := c.Root().Find(a)
			if err != nil || len(rest) > 0 {
				return misused(c.Root(), "unknown command %q for %q", a[len(a)-1], c.Root().CommandPath())
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// commandsOf are the commands below one, with what they do.
func commandsOf(c *cobra.Command) []string {
	var list []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			list = append(list, sub.Name()+"\t"+sub.Short)
		}
	}
	return list
}
