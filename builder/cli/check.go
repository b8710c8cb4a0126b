package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"berries/profiles"
)

func newCheck(env Env) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "check PROFILE|DIR...",
		Short: "find every mistake in profiles",
		Long: `check reads profiles (of a directory, every *.yaml file in it) and prints all
their mistakes at once, as FILE:LINE:COL: KEY: message. It writes nothing and
needs no network.
` + exits(exitMistakes),
		Example:           "  berry check berries.yaml",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: profilesAlone,
		RunE: func(_ *cobra.Command, a []string) error {
			paths, err := profilePaths(a)
			if err != nil {
				return err
			}
			return check(env, paths, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the mistakes as a JSON array")
	return c
}

// profilePaths replaces each directory by the profiles in it.
func profilePaths(names []string) ([]string, error) {
	var paths []string
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil || !info.IsDir() {
			paths = append(paths, name) // a missing file is a mistake that Load reports
			continue
		}
		found, err := filepath.Glob(filepath.Join(name, "*.yaml"))
		if err != nil {
			return nil, err
		}
		if len(found) == 0 {
			return nil, hinted{fmt.Errorf("there is no *.yaml file in %s", name), "berry init " + filepath.Join(name, "berries.yaml")}
		}
		slices.Sort(found)
		paths = append(paths, found...)
	}
	return paths, nil
}

// check loads every profile, and fails with the mistakes of all.
func check(env Env, paths []string, asJSON bool) error {
	all := profiles.Report{}
	for _, path := range paths {
		cluster, err := load(env, path, "")
		var mistakes profiles.Report
		switch {
		case errors.As(err, &mistakes):
			all = append(all, mistakes...)
		case err != nil:
			return err
		case !asJSON:
			fmt.Fprintf(env.Stdout, "%s: good: cluster %s, %d nodes\n", path, cluster.Name, len(cluster.Nodes))
		}
	}
	if !asJSON && len(all) == 0 {
		return nil
	}
	if !asJSON {
		return all
	}
	out := json.NewEncoder(env.Stdout)
	out.SetIndent("", "  ")
	if err := out.Encode(all); err != nil || len(all) == 0 {
		return err
	}
	return all
}
