package cli

import (
	"fmt"

	"berries/firstboot/node"
)

// version prints the program's version, and that of the node files it reads.
func (env Env) version(rest []string) int {
	if len(rest) > 0 {
		return env.misusedOf("version", fmt.Sprintf("unexpected argument %q", rest[0]))
	}
	fmt.Fprintf(env.Stdout, "berry-firstboot %s, node file version %d\n", env.Version, node.Version)
	return ok
}
