// Package gluster is the one place that runs the program gluster. What comes in
// is a command with its arguments; what goes out is its answer as a typed value,
// or an *Error with gluster's own words.
//
// Every command is run with --mode=script, so that it asks nothing, and --xml, in
// which gluster exits with 0 although it has failed: what counts is the opRet in
// its answer. A few answers are plain text all the same; for those it is the exit
// status. A command is run once: whoever calls it waits and tries again, and says
// through the context how long it may take (a glusterd that waits for a peer that
// has gone can keep gluster for minutes).
//
// The package also knows two things that a node needs before glusterd's first
// start: the files that make it a member of its trusted pool, and the options of a
// volume for a web root. It reads and writes no files itself.
//
// The answers were seen from GlusterFS 10.3 and 11.1; testdata has them.
package gluster

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"strconv"

	"berries/firstboot/host"
)

// Client runs gluster on this machine, which asks this machine's glusterd.
type Client struct {
	Runner  host.Runner
	Options []string // of gluster itself, before every command
}

// Unknown stands for a number that gluster does not know, such as how much there
// is to heal on a brick that it cannot reach.
const Unknown = -1

// ask runs one command and reads its answer.
func (c Client) ask(ctx context.Context, into answer, args ...string) error {
	cmd := c.command(args...)
	res, err := c.Runner.Run(ctx, cmd)
	unreadable := decode(res.Stdout, into)
	switch {
	case unreadable == nil && *into.outcome().OpRet != 0:
		return into.outcome().failure(cmd)
	case err != nil:
		return refused(ctx, err)
	case unreadable != nil:
		return fmt.Errorf("%s: %w", cmd, unreadable)
	}
	return nil
}

func (c Client) command(args ...string) host.Cmd {
	return host.Command("gluster", append(append([]string{"--mode=script", "--xml"}, c.Options...), args...)...)
}

// answer is the cliOutput element of one command.
type answer interface{ outcome() *reply }

// reply is what every answer says of how the command ended. It is embedded in the
// answers of commands that say more.
type reply struct {
	OpRet    *int   `xml:"opRet"`
	OpErrno  int    `xml:"opErrno"`
	OpErrstr string `xml:"opErrstr"`
}

func (r *reply) outcome() *reply { return r }

// maxAnswer bounds what is read of an answer. The longest one names every file to
// heal: 100 000 of them are some 15 MB.
const maxAnswer = 64 << 20

// decode reads an answer, whatever it says.
func decode(out []byte, into answer) error {
	if len(out) > maxAnswer {
		return fmt.Errorf("its answer has %d bytes, which is more than %d", len(out), maxAnswer)
	}
	d := xml.NewDecoder(bytes.NewReader(out))
	root, err := rootOf(d)
	if err == nil {
		err = d.DecodeElement(into, &root)
	}
	if err != nil {
		return fmt.Errorf("cannot read its answer %.60q: %w", out, err)
	}
	if into.outcome().OpRet == nil {
		return errors.New("its answer does not say how it ended: there is no opRet")
	}
	return nil
}

// rootOf goes to the element that an answer consists of.
func rootOf(d *xml.Decoder) (xml.StartElement, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if root, ok := token.(xml.StartElement); ok {
			if root.Name.Local != "cliOutput" {
				return root, fmt.Errorf("it is a %s, want a cliOutput", root.Name.Local)
			}
			return root, nil
		}
	}
}

// number is a number that may be unknown, which gluster writes in several ways.
type number int

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *number) UnmarshalText(text []byte) error {
	switch string(text) {
	case "", "-", "N/A":
		*n = Unknown
		return nil
	}
	v, err := strconv.Atoi(string(text))
	if err != nil || v < Unknown {
		return fmt.Errorf("%q is not a number", text)
	}
	*n = number(v)
	return nil
}
