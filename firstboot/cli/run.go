package cli

import (
	"context"
	"errors"
	"fmt"

	"berries/firstboot/node"
	"berries/firstboot/status"
	"berries/firstboot/steps"
)

// run walks the steps of this node. Whatever happens to the status file, the
// steps go on: a card that cannot hold it can still be a node.
func (env Env) run(ctx context.Context) int {
	f, err := node.ReadFile(env.Node)
	if err != nil {
		env.complain(err)
		return noNode
	}
	unlock, err := env.Host.Lock()
	if err != nil {
		env.complain(err)
		return failed
	}
	defer unlock()
	list := steps.For(f)
	r := record{env: env, status: env.begin(f, list)}
	err = steps.Run(ctx, env.Host, f, list, r.tell)
	switch {
	case err == nil:
		r.ready()
		return ok
	case errors.Is(err, context.Cause(ctx)) && ctx.Err() != nil:
		env.complain(fmt.Errorf("stopped: %w", err))
		return stopped
	}
	return failed
}

// begin is the status before the first step. The file of an earlier run is only
// counted on; one that cannot be read is as good as none.
func (env Env) begin(f node.File, list []steps.Step) status.Status {
	before, err := status.Read(env.Host.Files)
	if err != nil {
		env.complain(err)
	}
	s := status.Status{Cluster: f.Cluster, Node: f.Name, Role: f.Role, Program: env.Version, Starts: before.Starts + 1}
	for _, step := range list {
		s.Steps = append(s.Steps, status.Step{Name: step.Name(), State: status.Waiting})
	}
	return s
}

// record puts what the steps tell into the status file, onto the console and
// before systemd.
type record struct {
	env    Env
	status status.Status
}

// tell takes news of step i.
func (r *record) tell(i int, s status.Step) {
	r.status.Steps[i] = s
	r.write()
	line := status.Line{Number: i + 1, Total: len(r.status.Steps), Step: s}
	if s.State != status.Running {
		fmt.Fprintln(r.env.Stdout, line)
	}
	r.env.Notify("STATUS=" + line.Text())
}

// ready tells that every step holds.
func (r *record) ready() {
	r.status.Ready = true
	r.write()
	fmt.Fprintln(r.env.Stdout, status.Line{Ready: true})
	r.env.Notify("STATUS=ready\nREADY=1")
}

func (r *record) write() {
	r.status.Updated = r.env.Host.Clock.Now().UTC()
	if err := status.Write(r.env.Host.Files, r.status); err != nil {
		r.env.complain(err)
	}
}
