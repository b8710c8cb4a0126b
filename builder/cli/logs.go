package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"berries/firstboot/support"
)

func newLogs(env Env) *cobra.Command {
	var w watching
	var lines int
	c := &cobra.Command{
		Use:   "logs PROFILE NODE",
		Short: "show the ends of a node's logs",
		Long: `logs prints the ends of a node's logs: the journal of berry-firstboot, what glusterd
says, and Apache's errors. The node takes its secrets out before it sends them.

` + howFound + exits(exitMistakes),
		Example:           "  berry logs berries.yaml cluster02 --lines 500",
		Args:              args(cobra.ExactArgs(2)),
		ValidArgsFunction: profileAndNodes(env, 1),
		RunE: func(c *cobra.Command, a []string) error {
			return logs(c.Context(), env, a[0], a[1], lines, w)
		},
	}
	w.flags(c)
	c.Flags().IntVar(&lines, "lines", support.DefaultLines, "how many lines of each log")
	return c
}

// logs does what newLogs says.
func logs(ctx context.Context, env Env, profile, name string, lines int, w watching) error {
	if lines < 1 || lines > support.MaxLines {
		return hinted{usageError{fmt.Errorf("--lines is %d, want 1 to %d", lines, support.MaxLines)}, "berry logs --help"}
	}
	if _, err := planOf(env, profile, "", name); err != nil {
		return err
	}
	client, err := w.client(env, profile)
	if err != nil {
		return err
	}
	// Who has been found can be asked, or asked to pass a question on.
	if _, err := client.Settle(ctx, toBeFound); err != nil {
		return unanswered(profile, err)
	}
	body, err := client.Get(ctx, name, fmt.Sprintf("%s?lines=%d", support.LogsPath, lines))
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(env.Stdout, body)
	return err
}
