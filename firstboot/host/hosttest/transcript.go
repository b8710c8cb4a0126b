package hosttest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"berries/firstboot/host"
)

// Exchange is one command of a transcript and what comes of it.
type Exchange struct {
	Cmd    string // as a person would type it
	Stdin  string
	Stdout string
	Fails  string // the command fails with this on its stderr
	Exit   int    // its exit status; 1 when it Fails and none is given
	Then   func() // what the command changes, when set
}

// transcript is a host.Runner that expects its exchanges, in their order.
type transcript struct {
	t    testing.TB
	left []Exchange
}

func newTranscript(t testing.TB, exchanges []Exchange) *transcript {
	tr := &transcript{t, exchanges}
	t.Cleanup(func() {
		for _, e := range tr.left {
			t.Errorf("this command was not run: %s", e.Cmd)
		}
	})
	return tr
}

// Run implements host.Runner.
func (tr *transcript) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	tr.t.Helper()
	if err := context.Cause(ctx); err != nil {
		return host.Result{}, &host.CommandError{Cmd: cmd.String(), ExitCode: -1, Err: err}
	}
	var stdin []byte
	if cmd.Stdin != nil {
		stdin, _ = io.ReadAll(cmd.Stdin)
	}
	if len(tr.left) == 0 {
		tr.t.Fatalf("this command was not expected: %s", cmd)
	}
	e := tr.left[0]
	tr.left = tr.left[1:]
	if cmd.String() != e.Cmd || string(stdin) != e.Stdin {
		tr.t.Fatalf("got the command\n\t%s < %q\nwant\n\t%s < %q", cmd, stdin, e.Cmd, e.Stdin)
	}
	if e.Fails != "" || e.Exit != 0 {
		status := cmp.Or(e.Exit, 1)
		words := strings.ReplaceAll(strings.TrimSpace(cmp.Or(e.Fails, e.Stdout)), "\n", "; ")
		return host.Result{Stdout: []byte(e.Stdout), Stderr: []byte(e.Fails)},
			&host.CommandError{Cmd: e.Cmd, ExitCode: status, Output: words, Err: fmt.Errorf("exit status %d", status)}
	}
	if e.Then != nil {
		e.Then()
	}
	return host.Result{Stdout: []byte(e.Stdout)}, nil
}
