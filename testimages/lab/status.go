package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"berries/testimages/lab/cluster"
)

// status shows where every node stands.
func (e *env) status() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "show where every node stands", Args: want(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			l, err := cluster.Open(e.dir)
			if err != nil {
				return err
			}
			states, err := l.States(c.Context())
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(e.stdout)
				out.SetIndent("", "  ")
				return out.Encode(states)
			}
			_, err = fmt.Fprint(e.stdout, table(states))
			return err
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return c
}

// table is where nodes stand, for a person.
func table(states []cluster.State) string {
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tROLE\tADDRESS\tSTATE")
	for _, s := range states {
		address := "-"
		switch {
		case s.Unplugged:
			address = "unplugged"
		case s.Address.IsValid():
			address = s.Address.String()
		}
		state := s.State
		if s.Step != "" {
			state = s.Step
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Name, s.Role, address, state)
	}
	t.Flush() // a strings.Builder takes everything
	return text.String()
}
