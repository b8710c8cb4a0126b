package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/renameio/v2"
	"github.com/spf13/cobra"

	"berries/builder/plan"
	"berries/builder/secrets"
	"berries/builder/stages"
	"berries/profiles"
)

func newInstaller(env Env) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use:   "installer PROFILE NODE -o DIR",
		Short: "make what turns a rented Debian server into the balancer",
		Long: `installer writes DIR/NODE.install, a shell script that makes a server with Debian
12 or newer (amd64 or arm64) the balancer: for one that cannot be flashed. Copy it
there and run it as root; it may be run again, also with what a later installer
wrote. The server gets its packages from Debian, and the node's host name. It keeps
its network, its logins and its SSH host keys.

The node's secrets are in it: keep it to yourself, and delete it when it has run.
` + exits(exitMistakes),
		Example:           "  berry installer berries.yaml balancer -o out\n  scp out/balancer.install root@balancer.example.net:\n  ssh root@balancer.example.net ./balancer.install",
		Args:              args(cobra.ExactArgs(2)),
		ValidArgsFunction: profileAndNodes(env, 1),
		RunE: func(c *cobra.Command, a []string) error {
			return installer(c.Context(), env, a[0], a[1], out)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "folder for the script")
	needs(c, "output")
	return c
}

// installer does what newInstaller says.
func installer(ctx context.Context, env Env, profile, name, out string) error {
	cluster, err := load(env, profile, "")
	if err != nil {
		return err
	}
	p, err := planNodes(cluster, []string{name})
	if err != nil {
		return err
	}
	img := p.Images[0]
	if img.Role != profiles.Balancer {
		return hinted{usageError{fmt.Errorf("%s is a %s node, which needs a partition of its own", name, img.Role)},
			fmt.Sprintf("berry build %s %s -o %s, and flash it", profile, name, out)}
	}
	path, err := writeInstaller(ctx, env, profile, p, out)
	if err != nil {
		return err
	}
	host := cluster.Nodes[slices.IndexFunc(cluster.Nodes, func(n profiles.Node) bool { return n.Name == name })].Host
	_, err = fmt.Fprintf(env.Stdout, "%s\nnext: scp %[1]s root@%[2]s: && ssh root@%[2]s ./%[3]s\n", path, host, filepath.Base(path))
	return err
}

// writeInstaller writes the installer of the one node of p, and returns its path.
func writeInstaller(ctx context.Context, env Env, profile string, p *plan.Plan, out string) (string, error) {
	epoch, err := sourceDate(env)
	if err != nil {
		return "", err
	}
	folder, err := secrets.Open(secretsDir(profile))
	if err != nil {
		return "", err
	}
	script, err := stages.Installer(ctx, stages.Options{Secrets: folder, Firstboot: env.Firstboot, Epoch: epoch}, p.Cluster, p.Images[0])
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return "", fmt.Errorf("cannot make the folder for the script: %w", err)
	}
	path := filepath.Join(out, p.Images[0].Node+".install")
	return path, renameio.WriteFile(path, script, 0o700)
}
