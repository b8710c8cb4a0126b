package cli

import (
	"fmt"

	"berries/firstboot/node"
)

// version prints the program's version, and that of the node files it reads.
func (env Env) version() int {
	fmt.Fprintf(env.Stdout, "berry-firstboot %s, node file version %d\n", env.Version, node.Version)
	return ok
}
