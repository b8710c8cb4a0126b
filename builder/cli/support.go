package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"berries/builder/watch"
	"berries/firstboot/redact"
	"berries/profiles"
)

func newSupport(env Env) *cobra.Command {
	var w watching
	var out string
	c := &cobra.Command{
		Use:   "support PROFILE [-o FILE]",
		Short: "collect what a report of a fault needs, without secrets",
		Long: `support writes a .tar.gz with the profile and, of every node that answers, its node
file, where it stands, its logs, and what the system and GlusterFS say of themselves.
Nodes that do not answer are named in it. Add it to a report of a fault.

Each node takes its secrets out before it sends anything: keys, passwords and their
hashes, passphrases. berry does so again with what is in the secrets folder and in the
profile. Names, addresses and logins stay, and names of files in the volume may be in
the logs: look into it before you give it away. What visitors of the site asked for is
not in it.

` + howFound + exits(exitMistakes),
		Example:           "  berry support berries.yaml -o fault.tar.gz",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: oneProfile,
		RunE: func(c *cobra.Command, a []string) error {
			return collect(c.Context(), env, a[0], out, w)
		},
	}
	w.flags(c)
	c.Flags().StringVarP(&out, "output", "o", "", "the file (default CLUSTER-support.tar.gz)")
	return c
}

// collect does what newSupport says.
func collect(ctx context.Context, env Env, profile, out string, w watching) error {
	cluster, err := load(env, profile, "")
	if err != nil {
		return err
	}
	client, err := w.client(env, profile)
	if err != nil {
		return err
	}
	secrets, err := secretsOf(cluster, profile)
	if err != nil {
		return err
	}
	is, err := client.Settle(ctx, toBeFound)
	if err != nil {
		return unanswered(profile, err)
	}
	var names []string
	for _, n := range is.Nodes {
		names = append(names, n.Name)
	}
	nodes := client.Collect(ctx, names, secrets, func(c watch.Collected) { tellCollected(env, c) })
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	files, err := ownFiles(profile, is, secrets)
	if err != nil {
		return err
	}
	return writeBundle(env, cmp.Or(out, cluster.Name+"-support.tar.gz"), cluster.Name, files, nodes)
}

// tellCollected says that a node has sent its part.
func tellCollected(env Env, c watch.Collected) {
	if c.Err != nil {
		fmt.Fprintf(env.Stderr, "%s: %v\n", c.Node, c.Err)
		return
	}
	fmt.Fprintf(env.Stderr, "%s: %d files\n", c.Node, len(c.Files))
}

// secretsOf knows the secrets of the profile, and those in the secrets folder.
func secretsOf(cluster *profiles.Cluster, profile string) (*redact.Redactor, error) {
	folder, err := madeSecrets(profile)
	if err != nil {
		return nil, err
	}
	r := &redact.Redactor{}
	private, err := folder.Private()
	if err != nil {
		return nil, err
	}
	for _, secret := range private {
		r.Add(secret)
	}
	r.Add(cluster.User.PasswordHash.Reveal())
	if cluster.WiFi != nil {
		r.Add(cluster.WiFi.PSK.Reveal())
	}
	for _, n := range cluster.Nodes {
		if n.DDNS != nil {
			r.AddLogin(n.DDNS.Login, n.DDNS.Password.Reveal())
		}
		if n.HTTPS != nil {
			r.Add(n.HTTPS.Key.Reveal())
		}
	}
	return r, nil
}

// ownFiles are those that no node sends: the profile, what was told of the cluster, and
// which berry this is.
func ownFiles(profile string, told any, secrets *redact.Redactor) ([]watch.File, error) {
	text, err := os.ReadFile(profile)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile: %w", err)
	}
	is, err := json.MarshalIndent(told, "", "  ")
	if err != nil {
		return nil, err
	}
	return []watch.File{
		{Name: "profile.yaml", Data: secrets.Clean(text)},
		{Name: "cluster.json", Data: secrets.Clean(is)},
		{Name: "berry.txt", Data: []byte("berry " + version() + "\n")},
	}, nil
}

// writeBundle writes the bundle, whole or not at all. Only who made it may read it.
func writeBundle(env Env, out, cluster string, files []watch.File, nodes []watch.Collected) error {
	var silent strings.Builder
	for _, n := range nodes {
		if files = append(files, n.Files...); n.Err != nil {
			fmt.Fprintf(&silent, "%s: %v\n", n.Node, n.Err)
		}
	}
	if silent.Len() > 0 {
		files = append(files, watch.File{Name: "unreachable.txt", Data: []byte(silent.String())})
	}
	file, err := renameio.NewPendingFile(out, renameio.WithPermissions(0o600))
	if err != nil {
		return fmt.Errorf("cannot write the bundle: %w", err)
	}
	defer file.Cleanup()
	err = watch.Pack(file, cluster+"-support", files, time.Now())
	if err == nil {
		err = file.CloseAtomicallyReplace()
	}
	if err != nil {
		return fmt.Errorf("cannot write the bundle %s: %w", out, err)
	}
	_, err = fmt.Fprintln(env.Stdout, out)
	return err
}
