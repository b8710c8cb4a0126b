package cli

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"berries/firstboot/cards"
	"berries/firstboot/node"
	"berries/firstboot/page"
	"berries/firstboot/report"
	"berries/firstboot/status"
	"berries/firstboot/steps"
)

// run walks the steps of this node and watches it from then on. Whatever happens to
// the status file, the steps go on: a card that cannot hold it can still be a node.
func (env Env) run(ctx context.Context, args []string) int {
	once := len(args) == 1 && args[0] == "--once"
	if len(args) > 0 && !once {
		return env.misusedOf("run", unexpected(args, "--once"))
	}
	f, err := node.ReadFile(env.Node)
	if err != nil {
		env.hopeless("this card", noNodeFile(err))
		return noNode
	}
	unlock, err := env.Host.Lock()
	if err != nil {
		env.complain(err)
		return failed
	}
	defer unlock()
	r := &record{env: env}
	if f.Gluster != nil {
		if r.cards, err = cards.Open(env.Host.Files); err != nil {
			env.complain(err)
			return failed
		}
	}
	finder, err := env.Find(f, r.state)
	if err != nil {
		env.hopeless(whoIs(f), err)
		return failed
	}
	r.boot = status.NewBootFile(env.Host, finder.Addresses, env.complain)
	reporter := report.New(env.Host, f, r.state, finder)
	serve(finder, env.Host, f, reporter)
	list := steps.For(f, finder, r.cards)
	r.begin(f, list)
	code := beside(ctx, env.shown(f, reporter, r.boot), func() int { return env.walk(ctx, f, list, finder, r, once) })
	if code != failed { // then the next run goes on with what the LED shows
		r.led.Restore()
	}
	return code
}

// hopeless says why there is no run, and will be none with this card as it is.
func (env Env) hopeless(who string, why error) {
	env.complain(why)
	if !env.Root {
		return // somebody types it who is told here
	}
	status.FindLED(env.Host.Files).Show(status.NeedsPerson)
	boot := status.NewBootFile(env.Host, func() []netip.Addr { return nil }, env.complain)
	boot.Tell(status.BootText{Who: who, Words: why.Error(), Hopeless: true})
	boot.Write()
}

// shown is what shows people where the node stands, while the steps are walked.
func (env Env) shown(f node.File, r *report.Reporter, boot *status.BootFile) []func(context.Context) {
	list := []func(context.Context){boot.Run}
	if f.StatusPage != nil {
		list = append(list, func(ctx context.Context) { page.New(env.Host, f, r).Run(ctx, env.complain) })
	}
	return list
}

// beside has some things run for as long as work takes.
func beside(ctx context.Context, things []func(context.Context), work func() int) int {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	for _, run := range things {
		all.Go(func() { run(ctx) })
	}
	defer all.Wait()
	defer cancel()
	return work()
}

// noNodeFile has an error of the node file end with what to do.
func noNodeFile(err error) error {
	if strings.Contains(err.Error(), "; type: ") {
		return err
	}
	return fmt.Errorf("%w; type: berry build PROFILE NODE -o DIR, where the profile is, and flash this card anew", err)
}

// unexpected names the first argument that is not the one that a command knows.
func unexpected(args []string, known string) string {
	i := max(0, slices.IndexFunc(args, func(a string) bool { return a != known }))
	return fmt.Sprintf("unexpected argument %q", args[i])
}

// walk has the peer service run beside the steps, for as long as this takes.
func (env Env) walk(ctx context.Context, f node.File, list []steps.Step, finder Finder, r *record, once bool) int {
	inner, cancel := context.WithCancelCause(ctx)
	served := make(chan struct{})
	go func() {
		defer close(served)
		cancel(finder.Run(inner)) // nodes that cannot be met are no cluster
	}()
	defer func() { <-served }()
	defer cancel(nil)

	err := steps.Run(inner, env.Host, f, list, r.tell)
	if steps.Spares(err) && !once {
		err = steps.Watch(inner, env.Host, f, list, err, finder.Changes(), r.tell)
	}
	switch {
	case err == nil, ctx.Err() != nil && r.ready && !once:
		return ok
	case ctx.Err() != nil:
		env.complain(fmt.Errorf("stopped: %w", context.Cause(ctx)))
		return stopped
	case inner.Err() != nil:
		env.complain(err)
	}
	return failed
}
