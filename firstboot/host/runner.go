package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Cmd is one external command to run.
type Cmd struct {
	Name  string   // program, found in PATH
	Args  []string // never a secret: argv is world-readable
	Env   []string // added to the environment the runner has
	Stdin io.Reader
	Dir   string
}

// Command is shorthand for a Cmd with a name and arguments.
func Command(name string, args ...string) Cmd { return Cmd{Name: name, Args: args} }

// String is the command as a person would type it.
func (c Cmd) String() string {
	words := append([]string{c.Name}, c.Args...)
	for i, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$&|;<>()*?#`") {
			words[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

// Result is what a command printed.
type Result struct {
	Stdout []byte
	Stderr []byte
}

// Runner runs external commands. Both programs start every command through
// one, so that a log reads as a transcript and a unit test is a transcript.
type Runner interface {
	// Run runs cmd to its end. The error is a *CommandError when the command
	// could not be started or did not exit with 0; Result is filled either way.
	Run(ctx context.Context, cmd Cmd) (Result, error)
}

// CommandError is a command that failed, with its own words.
type CommandError struct {
	Cmd      string // as a person would type it
	ExitCode int    // -1 when it did not run or was killed
	Output   string // last lines of stderr, or of stdout when stderr is empty
	Err      error
}

func (e *CommandError) Error() string {
	if e.Output == "" {
		return fmt.Sprintf("%s: %v", e.Cmd, e.Err)
	}
	return fmt.Sprintf("%s: %v: %s", e.Cmd, e.Err, e.Output)
}

func (e *CommandError) Unwrap() error { return e.Err }

// ExitCode returns the exit status behind err, or -1.
func ExitCode(err error) int {
	var ce *CommandError
	if errors.As(err, &ce) {
		return ce.ExitCode
	}
	return -1
}

// Exec is the Runner that really starts programs.
type Exec struct {
	Env []string // the whole environment of every command; nil means this program's own
	// Log, when set, gets one line after each command: the command, how long it
	// took and how it ended.
	Log func(line string)
}

// logEnd is between a command and how it ended, in a line of the log.
const logEnd = " ["

// waitDelay is how long a cancelled command may take to end by itself before it
// is killed and its pipes are closed.
const waitDelay = 5 * time.Second

// Run implements Runner.
func (x Exec) Run(ctx context.Context, cmd Cmd) (Result, error) {
	c := exec.CommandContext(ctx, cmd.Name, cmd.Args...)
	c.Cancel = func() error { return stop(c.Process) }
	c.WaitDelay = waitDelay
	c.Dir, c.Stdin = cmd.Dir, cmd.Stdin
	env := x.Env
	if env == nil {
		env = c.Environ()
	}
	c.Env = append(env[:len(env):len(env)], cmd.Env...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	err := c.Run()
	res := Result{stdout.Bytes(), stderr.Bytes()}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		err = &CommandError{Cmd: cmd.String(), ExitCode: c.ProcessState.ExitCode(), Output: tail(res), Err: err}
	}
	if x.Log != nil {
		end := "ok"
		if err != nil {
			end = "exit " + fmt.Sprint(ExitCode(err))
		}
		x.Log(fmt.Sprintf("%s%s%s, %.1fs]", cmd, logEnd, end, time.Since(began).Seconds()))
	}
	return res, err
}

// stop asks a process to end, so that one that writes a disk can leave it whole.
// Where there are no signals it is killed.
func stop(p *os.Process) error {
	if err := p.Signal(syscall.SIGTERM); err == nil || errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return p.Kill()
}

// tail gives the last few lines that a failed command printed.
func tail(r Result) string {
	text := strings.TrimSpace(string(r.Stderr))
	if text == "" {
		text = strings.TrimSpace(string(r.Stdout))
	}
	const keep = 6
	lines := strings.Split(text, "\n")
	if len(lines) > keep {
		lines = lines[len(lines)-keep:]
	}
	return strings.Join(lines, "; ")
}
