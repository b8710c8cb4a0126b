package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"berries/firstboot/install"
)

// install makes this machine the node whose files are in a folder. The installer that
// berry has made calls it.
func (env Env) install(ctx context.Context, rest []string) int {
	if len(rest) != 1 {
		return env.misusedOf("install", "install needs one folder")
	}
	if !env.Root {
		env.complain(errors.New("only root may install; type: sudo sh NODE.install"))
		return failed
	}
	say := func(doing string) { fmt.Fprintf(env.Stdout, "berry-firstboot: %s\n", doing) }
	err := install.Run(ctx, env.Host, os.DirFS(rest[0]), say)
	switch {
	case ctx.Err() != nil:
		env.complain(fmt.Errorf("stopped: %w; type it again to go on", context.Cause(ctx)))
		return stopped
	case err != nil:
		env.complain(err)
		return failed
	}
	say("ready")
	return ok
}
