package cli

import (
	"fmt"
	"slices"
	"strings"
)

// explanation is what help says of one command.
type explanation struct {
	form    string // behind the program's name
	text    string // what goes in, and what comes out
	example string
	codes   string
}

// explanations are those of all commands, by name.
var explanations = map[string]explanation{
	"run": {"run [--once]",
		`run reads the node file, walks all steps of this node, prints one line when a step
ends, and "ready" when all hold that other steps or nodes need. It writes the status
file, and tells systemd that the node is ready. From then on it watches the node;
with --once it ends. The service of the same name runs it at every boot.`,
		"systemctl restart berry-firstboot",
		`  0  every step holds, or held when a signal ended it
  1  a step failed, or another berry-firstboot is at work
  2  the command line is wrong
  3  the node file is missing or wrong
  4  it was stopped by a signal before every step held; what was done stays done`},
	"status": {"status [--json]",
		`status prints where this node stands, from what run has written: each step with how
it ended, what is proved of the copy, and "ready" where the node is. With --json it
prints the status file. It asks nobody and changes nothing.`,
		"berry-firstboot status",
		`  0  the node is ready
  1  it is not, or run has not run on this machine yet
  2  the command line is wrong`},
	"install": {"install FOLDER",
		`install makes this server the node whose files and list of packages are in a folder,
and returns when the node is ready. The script that berry installer makes unpacks the
folder and calls it. A server that does not suit is left as it is. It may be run
again.`,
		"sh balancer.install",
		`  0  the node is ready
  1  the server does not suit, or a part of it failed
  2  the command line is wrong
  4  it was stopped by a signal; what was done stays done`},
	"gsync": {"gsync DOOR USER PRIMARY REMOTE VOLUME MOUNT",
		`gsync lets geo-replication in: it does what a storage node has logged in for with one
of its keys (SSH_ORIGINAL_COMMAND), where that is one of the things that
geo-replication needs, and refuses anything else. sshd calls it, as a forced command.`,
		`ssh geoaccount@cluster04 prove`,
		`  0  what was asked for was done
  1  it failed, or nobody may ask for it
  2  the command line is wrong, or tar could not unpack some of the files`},
	"version": {"version",
		"version prints which berry-firstboot this is, and which node files it reads.",
		"berry-firstboot version",
		`  0  done
  2  the command line is wrong`},
	"help": {"help [COMMAND]",
		"help prints what there is to type, or what one command does.",
		"berry-firstboot help run",
		`  0  done
  2  the command line is wrong`},
}

// asksForHelp tells whether somebody wants to know what a command does.
func asksForHelp(rest []string) bool {
	return slices.Contains(rest, "--help") || slices.Contains(rest, "-h")
}

// explain prints what a command does.
func (env Env) explain(name string) int {
	e, known := explanations[name]
	if !known {
		return env.misused(fmt.Sprintf("unknown command %q", name))
	}
	fmt.Fprintf(env.Stdout, "%s\n\nUsage:\n  berry-firstboot %s\n\nExample:\n  %s\n\nExit codes:\n%s\n", e.text, e.form, e.example, e.codes)
	return ok
}

// help prints what there is to type, or what one command does.
func (env Env) help(rest []string) int {
	switch len(rest) {
	case 0:
		fmt.Fprint(env.Stdout, help)
		return ok
	case 1:
		return env.explain(rest[0])
	}
	return env.misusedOf("help", fmt.Sprintf("unexpected argument %q", rest[1]))
}

// misused says what is wrong with a command line, and where help is.
func (env Env) misused(what string) int {
	env.hint(what, "berry-firstboot help")
	return usage
}

// misusedOf is misused for a command that is known.
func (env Env) misusedOf(name, what string) int {
	env.hint(what, "berry-firstboot "+name+" --help")
	return usage
}

// complain says what went wrong. It begins like every line of ours, but has not the shape
// of a step's. What an error ends with that is to be typed is a line of its own.
func (env Env) complain(err error) {
	what, next, _ := strings.Cut(err.Error(), "; type: ")
	env.hint(what, next)
}

// hint says what went wrong and, in a line of its own, what to type next.
func (env Env) hint(what, next string) {
	fmt.Fprintf(env.Stderr, "berry-firstboot: %s\n", what)
	if next != "" {
		fmt.Fprintf(env.Stderr, "hint: %s\n", next)
	}
}
