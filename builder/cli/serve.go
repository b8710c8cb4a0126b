package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"berries/builder/imager"
)

func newServe(env Env) *cobra.Command {
	var listen, token string
	c := &cobra.Command{
		Use:   "serve DIR",
		Short: "serve images to Raspberry Pi Imager in the network",
		Long: `serve lets other computers of the network flash the images of a folder with Raspberry
Pi Imager: it serves the list of them (see berry manifest) and the images, and nothing
else that lies there. It says what to type into Imager, prints a line for each request,
and ends by Ctrl-C.

Images hold the private keys of their nodes. Who has one can take the node's place in
the cluster. So the address holds a token that nobody can guess, another one each time
(or --token, of 16 letters and digits or more), and everything else is answered with
404. Give the address only to whom you would give the cards. It is plain HTTP, as Imager
needs it here: who can listen to the network gets all that is fetched. Serve in a
network that you trust, and not longer than it takes.
` + exits(),
		Example:           "  berry serve out\n  berry serve out --listen 192.168.2.10:8000",
		Args:              args(cobra.ExactArgs(1)),
		ValidArgsFunction: cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs),
		RunE: func(c *cobra.Command, a []string) error {
			return serve(c.Context(), env, a[0], listen, token)
		},
	}
	c.Flags().StringVar(&listen, "listen", ":8000", "address and port to listen at")
	c.Flags().StringVar(&token, "token", "", "use this token (default: a new one)")
	return c
}

// goodToken is one that stays what it is in a URL, and is too long to be tried out.
var goodToken = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// serve does what newServe says.
func serve(ctx context.Context, env Env, dir, listen, token string) error {
	if token == "" {
		token = imager.NewToken()
	}
	if !goodToken.MatchString(token) {
		return hinted{usageError{errors.New("a token has 16 letters and digits or more")}, "berry serve " + dir + " makes one"}
	}
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return hinted{usageError{fmt.Errorf("%s is no folder", dir)}, "berry serve DIR, with the folder that the image is in"}
	}
	images, err := findImages(dir)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return hinted{fmt.Errorf("cannot serve: %w", err), "berry serve " + dir + " --listen :8001"}
	}
	s := &imager.Server{Dir: dir, Token: token, Log: func(line string) { fmt.Fprintln(env.Stdout, line) }}
	urls, err := s.URLs(l)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	fmt.Fprintf(env.Stdout, "serving %d images of %s, with the private keys in them, to whoever knows the address:\n", len(images), dir)
	for _, u := range urls {
		fmt.Fprintf(env.Stdout, "  rpi-imager --repo %s\n", u)
	}
	fmt.Fprintln(env.Stdout, `On Windows and macOS: in Raspberry Pi Imager 2, App Options, Content Repository, Use custom URL.
Ctrl-C ends it.`)
	return s.Run(ctx, l)
}
