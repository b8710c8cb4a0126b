package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	"berries/firstboot/status"
)

// status shows the status file, and how the volume's copy stands: to people in the words
// of the console, with --json as it is written.
func (env Env) status(args []string) int {
	asJSON := len(args) == 1 && args[0] == "--json"
	if len(args) > 0 && !asJSON {
		return env.misusedOf("status", unexpected(args, "--json"))
	}
	s, err := status.Read(env.Host.Files)
	if err == nil && s.Starts == 0 {
		err = errors.New("it has not run on this machine yet; type: systemctl status berry-firstboot")
	}
	if err != nil {
		env.complain(err)
		return failed
	}
	copied, err := status.ReadCopy(env.Host.Files)
	if err != nil {
		env.complain(err)
	}
	if asJSON {
		env.showJSON(s, copied)
	} else {
		env.show(s, copied)
	}
	if s.Ready {
		return ok
	}
	return failed
}

func (env Env) showJSON(s status.Status, copied *status.Copy) {
	enc := json.NewEncoder(env.Stdout)
	enc.SetIndent("", "  ")
	all := struct {
		status.Status
		Copy *status.Copy `json:"copy,omitempty"`
	}{s, copied}
	if err := enc.Encode(all); err != nil {
		env.complain(err)
	}
}

func (env Env) show(s status.Status, copied *status.Copy) {
	fmt.Fprintf(env.Stdout, "%s, %s node of %s, start %d\n", s.Node, s.Role, s.Cluster, s.Starts)
	for i, step := range s.Steps {
		line := status.Line{Number: i + 1, Total: len(s.Steps), Step: step}
		fmt.Fprintln(env.Stdout, line.Text())
	}
	if copied != nil {
		fmt.Fprintln(env.Stdout, copied.Text())
	}
	if s.Ready {
		fmt.Fprintln(env.Stdout, s.Summary())
	}
}
