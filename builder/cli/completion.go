package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berries/builder/card"
)

func newCompletion(env Env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "write what has a shell complete berry's command lines",
		Long: `completion prints a script for your shell, which then completes commands, flags,
profiles, the nodes of a profile, images and cards.
` + exits(),
		Example: `  source <(berry completion bash)
  berry completion bash > ~/.local/share/bash-completion/completions/berry
  berry completion zsh > "${fpath[1]}/_berry"
  berry completion fish > ~/.config/fish/completions/berry.fish`,
		Args:      args(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, a []string) error {
			switch root := c.Root(); a[0] {
			case "bash":
				return root.GenBashCompletionV2(env.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(env.Stdout)
			case "fish":
				return root.GenFishCompletion(env.Stdout, true)
			default:
				return root.GenPowerShellCompletionWithDesc(env.Stdout)
			}
		},
	}
}

// profilesAlone completes profiles.
func profilesAlone(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// oneProfile completes a profile, and nothing behind it.
func oneProfile(c *cobra.Command, before []string, word string) ([]string, cobra.ShellCompDirective) {
	if len(before) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return profilesAlone(c, before, word)
}

// profileAndNodes completes a profile, and then the names of at most so many of its
// nodes; with 0, of any number.
func profileAndNodes(env Env, most int) cobra.CompletionFunc {
	return func(c *cobra.Command, before []string, word string) ([]string, cobra.ShellCompDirective) {
		if len(before) == 0 {
			return profilesAlone(c, before, word)
		}
		if most > 0 && len(before) > most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return nodesOf(env, before[0], before[1:]), cobra.ShellCompDirectiveNoFileComp
	}
}

// nodesOf are the nodes of a profile that have not been typed yet, with their roles. A
// profile with mistakes has none.
func nodesOf(env Env, profile string, typed []string) []string {
	cluster, err := load(env, profile, "")
	if err != nil {
		return nil
	}
	var list []string
	for _, n := range cluster.Nodes {
		if !slices.Contains(typed, n.Name) {
			list = append(list, n.Name+"\t"+string(n.Role))
		}
	}
	return list
}

// imagesAlone completes images.
func imagesAlone(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"img", "xz", "zst"}, cobra.ShellCompDirectiveFilterFileExt
}

// imagesAndCards completes the command line of flash: nodes that have images and image
// files, then cards; or nodes with a card each.
func imagesAndCards(f *flashFlags) cobra.CompletionFunc {
	return func(_ *cobra.Command, before []string, word string) ([]string, cobra.ShellCompDirective) {
		named, _, isPair := strings.Cut(word, "=")
		switch {
		case isPair:
			return cardsFor(named+"=", f.allow), cobra.ShellCompDirectiveNoFileComp
		case len(before) == 1 && !strings.Contains(before[0], "="):
			return cardsFor("", f.allow), cobra.ShellCompDirectiveNoFileComp
		}
		return imagesIn(f.out), cobra.ShellCompDirectiveDefault
	}
}

// cardsFor are the cards in this machine that may be written, behind a prefix.
func cardsFor(prefix string, allow card.Allow) []string {
	machine, err := card.ThisMachine()
	if err != nil {
		return nil
	}
	devices, err := machine.Devices()
	if err != nil {
		return nil
	}
	var list []string
	for _, d := range devices {
		if card.Refuse(d, 0, allow) == nil {
			list = append(list, prefix+d.Path+"\t"+d.What())
		}
	}
	return list
}
