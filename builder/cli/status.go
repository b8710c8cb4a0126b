package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berries/builder/secrets"
	"berries/builder/watch"
	"berries/profiles"
)

// toBeFound is how long berry looks for nodes where it looks once. They answer mDNS in a
// second or two.
const toBeFound = 6 * time.Second

func newStatus(env Env) *cobra.Command {
	var w watching
	c := &cobra.Command{
		Use:   "status PROFILE",
		Short: "show how the running nodes are",
		Long: `status shows a table of the cluster's nodes: where each stands, its brick and what
waits to be healed, its copy, what its web server answers, where it is and what it
runs. Below is what nodes have to say besides. It is watch --once.

` + howFound + exits(exitMistakes, exitNotReady),
		Example:           "  berry status berries.yaml\n  berry status berries.yaml --at 192.168.2.5 --json",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: oneProfile,
		RunE: func(c *cobra.Command, a []string) error {
			return status(c.Context(), env, a[0], w)
		},
	}
	w.flags(c)
	c.Flags().BoolVar(&w.json, "json", false, "print what the nodes tell as JSON")
	return c
}

// howFound is for the help of all commands that ask nodes.
const howFound = `Nodes are found by mDNS, at the fixed addresses of the profile, and where --at says.
They answer whoever has the operator's certificate, which the first build left in the
secrets folder beside the profile. A node that cannot be reached from here is asked
through one that can.
`

// watching are the flags of the commands that ask nodes.
type watching struct {
	at   []string
	json bool
}

func (w *watching) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&w.at, "at", nil, "ask at this ADDRESS[:PORT], and look nowhere else (may be repeated)")
}

// status does what newStatus says.
func status(ctx context.Context, env Env, profile string, w watching) error {
	client, err := w.client(env, profile)
	if err != nil {
		return err
	}
	is, err := client.Settle(ctx, toBeFound)
	if err != nil {
		return unanswered(profile, err)
	}
	if w.json {
		err = printJSON(env.Stdout, is)
	} else {
		_, err = fmt.Fprintln(env.Stdout, strings.Join(watch.Table(is, colour(env)), "\n"))
	}
	if err == nil && !watch.Ready(is) {
		err = errNotReady
	}
	return err
}

// unanswered adds what to type where no node answers.
func unanswered(profile string, err error) error {
	if errors.Is(err, watch.ErrNobody) {
		return hinted{err, "berry status " + profile + " --at ADDRESS, with the address of a node that is on"}
	}
	return err
}

// colour tells whether what is printed may have colours (no-color.org).
func colour(env Env) bool { return env.Width != nil && env.Getenv("NO_COLOR") == "" }

// client asks the nodes of a profile.
func (w watching) client(env Env, profile string) (*watch.Client, error) {
	cluster, err := load(env, profile, "")
	if err != nil {
		return nil, err
	}
	folder, err := madeSecrets(profile)
	if err != nil {
		return nil, err
	}
	a := watch.Access{At: w.at}
	if a.ID, err = folder.ClusterID(); err != nil {
		return nil, err
	}
	ca, err := folder.CA()
	if err != nil {
		return nil, err
	}
	a.CA = x509.NewCertPool()
	a.CA.AppendCertsFromPEM(ca)
	operator, err := folder.OperatorCert()
	if err != nil {
		return nil, err
	}
	if a.Cert, err = tls.X509KeyPair(operator.Cert, operator.Key); err != nil {
		return nil, fmt.Errorf("cannot use the operator's certificate: %w", err)
	}
	for _, n := range cluster.Nodes {
		a.Nodes = append(a.Nodes, known(n))
	}
	return watch.New(a), nil
}

// known is a node of the profile as berry looks for it. Host of a storage node is its
// router's.
func known(n profiles.Node) watch.Known {
	k := watch.Known{Name: n.Name, Role: string(n.Role)}
	if !n.Address.DHCP() {
		k.Hosts = append(k.Hosts, n.Address.CIDR.Addr().String())
	}
	if n.Role == profiles.Balancer && n.Host != "" {
		k.Hosts = append(k.Hosts, n.Host)
	}
	return k
}

// madeSecrets opens the secrets folder of a cluster that was built.
func madeSecrets(profile string) (secrets.Folder, error) {
	dir := secretsDir(profile)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return secrets.Folder{}, hinted{fmt.Errorf("there is no secrets folder %s, by which nodes know their operator", dir), "berry build " + profile + " -o DIR"}
	}
	return secrets.Open(dir)
}
