package host

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestCommandReadsAsTyped(t *testing.T) {
	tests := []struct {
		cmd  Cmd
		want string
	}{
		{Command("sfdisk", "--json", "/dev/mmcblk0"), "sfdisk --json /dev/mmcblk0"},
		{Command("sh", "-c", "echo $HOME"), "sh -c 'echo $HOME'"},
		{Command("echo", "it's", ""), `echo 'it'\''s' ''`},
	}
	for _, tt := range tests {
		if got := tt.cmd.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

func TestExecGivesWhatTheCommandPrinted(t *testing.T) {
	cmd := Command("sh", "-c", `cat; echo "$A" >&2; pwd`)
	cmd.Stdin, cmd.Env, cmd.Dir = strings.NewReader("in\n"), []string{"A=loud"}, "/"
	res, err := Exec{}.Run(t.Context(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(res.Stdout), "in\n/\n"; got != want {
		t.Errorf("stdout %q, want %q", got, want)
	}
	if got, want := string(res.Stderr), "loud\n"; got != want {
		t.Errorf("stderr %q, want %q", got, want)
	}
}

func TestExecSaysHowACommandFailed(t *testing.T) {
	tests := []struct {
		name string
		cmd  Cmd
		code int
		want string
	}{
		{"its stderr", Command("sh", "-c", "echo out; echo no card >&2; exit 3"), 3,
			"sh -c 'echo out; echo no card >&2; exit 3': exit status 3: no card"},
		{"its stdout when stderr is empty", Command("sh", "-c", "echo no card; exit 1"), 1,
			"sh -c 'echo no card; exit 1': exit status 1: no card"},
		{"nothing when it said nothing", Command("false"), 1, "false: exit status 1"},
		{"the last six lines", Command("sh", "-c", "seq 9; exit 1"), 1,
			"sh -c 'seq 9; exit 1': exit status 1: 4; 5; 6; 7; 8; 9"},
		{"a program that is not there", Command("no-such-program"), -1,
			`no-such-program: exec: "no-such-program": executable file not found in $PATH`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Exec{}.Run(t.Context(), tt.cmd)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if got := ExitCode(err); got != tt.code {
				t.Errorf("exit code %d, want %d", got, tt.code)
			}
		})
	}
}

func TestExecLogsATranscript(t *testing.T) {
	var log []string
	x := Exec{Log: func(line string) { log = append(log, line[:strings.LastIndex(line, ",")]) }}
	x.Run(t.Context(), Command("true"))
	x.Run(t.Context(), Command("sh", "-c", "exit 3"))
	got, want := strings.Join(log, "\n"), "true [ok\nsh -c 'exit 3' [exit 3"
	if got != want {
		t.Errorf("log:\n%s\nwant:\n%s", got, want)
	}
}

func TestACancelledCommandIsAskedToEnd(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("the test has seen enough")
	go func() {
		time.Sleep(100 * time.Millisecond)
		cancel(stopped)
	}()
	began := time.Now()
	res, err := Exec{}.Run(ctx, Command("sh", "-c", `trap 'kill $!; echo tidied; exit 1' TERM; sleep 60 & wait`))
	if !errors.Is(err, stopped) {
		t.Errorf("error %v, want %v", err, stopped)
	}
	if got, want := string(res.Stdout), "tidied\n"; got != want {
		t.Errorf("stdout %q, want %q: it was killed at once", got, want)
	}
	if took := time.Since(began); took > waitDelay {
		t.Errorf("it took %v", took)
	}
}
