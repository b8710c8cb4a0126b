package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"berries/builder/secrets"
)

func newSecrets(env Env) *cobra.Command {
	c := &cobra.Command{
		Use:   "secrets",
		Short: "replace what nodes know each other by",
		Long: `secrets works on the secrets folder beside the profile (berries.yaml:
berries.secrets), which the first build makes.
` + exits(),
		Example: "  berry secrets rotate berries.yaml --all",
	}
	c.AddCommand(newRotate(env))
	return ofCommands(c)
}

func newRotate(env Env) *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "rotate PROFILE NODE...|--all",
		Short: "make new certificates",
		Long: `rotate gives the named nodes new certificates and keys. Build and flash their
images afterwards; the rest of the cluster takes them at once, except in the tunnel:
its hub has to be told, and so needs a new image, too. The old certificate stays
valid, so this is no help when a card is in wrong hands.

With --all there is a new CA, and new certificates for every node and for the
operator, and new keys of the tunnel and of geo-replication. What the old CA signed is worth nothing to a node that has the new one:
build all images and flash all cards. Do this when a card or the folder got lost to
somebody else. Gluster UUIDs, SSH host keys and the cluster's id stay, so that it is
the same cluster with the same data.

Each replaced file is kept beside the new one, with .old behind its name, until the
next rotation.
` + exits(exitMistakes),
		Example:           "  berry secrets rotate berries.yaml cluster02\n  berry secrets rotate berries.yaml --all",
		Args:              args(cobra.MinimumNArgs(1)),
		ValidArgsFunction: profileAndNodes(env, 0),
		RunE: func(_ *cobra.Command, a []string) error {
			return rotate(env, a[0], a[1:], all)
		},
	}
	c.Flags().BoolVar(&all, "all", false, "a new CA, and new certificates for everybody")
	return c
}

// rotate does what newRotate says.
func rotate(env Env, profile string, nodes []string, all bool) error {
	if all == (len(nodes) > 0) {
		return hinted{usageError{errors.New("rotate needs names of nodes, or --all, and not both")}, "berry secrets rotate --help"}
	}
	cluster, err := load(env, profile, "")
	if err != nil {
		return err
	}
	p, err := planNodes(cluster, nodes)
	if err != nil {
		return err
	}
	dir := secretsDir(profile)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return hinted{fmt.Errorf("there is no secrets folder %s, and nothing to rotate", dir), "berry build " + profile + " -o DIR"}
	}
	folder, err := secrets.Open(dir)
	if err != nil {
		return err
	}
	nodes = nil
	for _, img := range p.Images {
		nodes = append(nodes, img.Node)
	}
	if all {
		return rotateAll(env, folder, profile, nodes)
	}
	for _, node := range nodes {
		if err := folder.Rotate(node); err != nil {
			return err
		}
	}
	fmt.Fprintf(env.Stdout, "new certificates for %s\n", strings.Join(nodes, ", "))
	switch t := cluster.Tunnel; {
	case t == nil:
		_, err = fmt.Fprintf(env.Stdout, "next: berry build %s %s -o DIR, and flash\n", profile, strings.Join(nodes, " "))
	case slices.Contains(nodes, t.Hub):
		_, err = fmt.Fprintf(env.Stdout, "next: berry build %s -o DIR, and flash every card: %s, by which the tunnel runs, has a new key\n", profile, t.Hub)
	default:
		_, err = fmt.Fprintf(env.Stdout, "next: berry build %s %s %s -o DIR, and flash: %s, by which the tunnel runs, has to know the new keys\n",
			profile, strings.Join(nodes, " "), t.Hub, t.Hub)
	}
	return err
}

func rotateAll(env Env, folder secrets.Folder, profile string, nodes []string) error {
	if err := folder.RotateAll(nodes); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, "a new CA, and new certificates for the operator, %s\nnext: berry build %s -o DIR, and flash every card\n",
		strings.Join(nodes, ", "), profile)
	return err
}

// secretsDir is the secrets folder of a profile.
func secretsDir(profile string) string {
	return strings.TrimSuffix(profile, filepath.Ext(profile)) + ".secrets"
}
