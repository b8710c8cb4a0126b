package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"berries/firstboot/cli"
	"berries/firstboot/node"
)

// unitPath is where the unit lies that goes into every image.
const unitPath = "../overlays/common/usr/lib/systemd/system/berry-firstboot.service"

// setting returns what the unit says of one key.
func setting(t *testing.T, key string) string {
	t.Helper()
	unit, err := os.ReadFile(unitPath)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^`+key+`=(.*)$`).FindAllStringSubmatch(string(unit), -1)
	if len(found) != 1 {
		t.Fatalf("the unit has %d lines %s=, want one", len(found), key)
	}
	return found[0][1]
}

// run gives the exit code of a command, and what it printed.
func run(t *testing.T, nodeFile string, args ...string) (code int, stdout string) {
	t.Helper()
	var out bytes.Buffer
	code = cli.Main(context.Background(), cli.Env{
		Args: args, Stdout: &out, Stderr: &out, Node: nodeFile, Notify: func(string) {},
	})
	return code, out.String()
}

// tunnelUnitPath is where the one lies that the step tunnel starts.
const tunnelUnitPath = "../overlays/common/usr/lib/systemd/system/berry-tunnel.service"

// systemd's own judge of units knows of everything but the program itself, which
// lies nowhere on this machine.
func TestTheUnitsAreGoodForSystemd(t *testing.T) {
	for path, its := range map[string]string{unitPath: "/usr/lib/berry/berry-firstboot", tunnelUnitPath: "/usr/bin/wireguard-go"} {
		unit, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		program := filepath.Join(dir, "program")
		if err := os.WriteFile(program, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		here := strings.Replace(string(unit), its, program, 1)
		copied := filepath.Join(dir, filepath.Base(path))
		if err := os.WriteFile(copied, []byte(here), 0o644); err != nil {
			t.Fatal(err)
		}
		judge := exec.Command("systemd-analyze", "verify", "--man=no", "--recursive-errors=no", copied)
		if out, err := judge.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("systemd-analyze verify: %v\n%s", err, out)
		}
	}
}

// What systemd thinks of a service that is given no more than it needs, from 0 to 10.
// Ours is root, and in no mount namespace of its own, by the nature of what it does;
// a new line that opens it further fails here.
func TestTheUnitsAreNoMoreExposedThanTheyMustBe(t *testing.T) {
	for path, threshold := range map[string]string{unitPath: "61", tunnelUnitPath: "25"} {
		judge := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", "--threshold="+threshold, path)
		if out, err := judge.CombinedOutput(); err != nil {
			t.Errorf("systemd-analyze security: %v\n%s", err, out)
		}
	}
}

func TestTheUnitStartsTheProgramAsItsHelpSays(t *testing.T) {
	if got, want := setting(t, "ExecStart"), "/usr/lib/berry/berry-firstboot run"; got != want {
		t.Errorf("ExecStart=%s, want %s", got, want)
	}
	if got := setting(t, "ConditionPathExists"); got != node.Path {
		t.Errorf("ConditionPathExists=%s, want %s", got, node.Path)
	}
	_, help := run(t, "", "help")
	said := regexp.MustCompile(`again (\d+) seconds after`).FindStringSubmatch(help)
	if said == nil {
		t.Fatalf("help does not say when a failed step is tried again:\n%s", help)
	}
	if got := setting(t, "RestartSec"); got != said[1] {
		t.Errorf("RestartSec=%s, but help says %s", got, said[1])
	}
}

// What starting again would not change: a command line and a node file that are
// wrong.
func TestTheUnitNamesTheExitCodesThatStayTheSame(t *testing.T) {
	usage, _ := run(t, "", "no-such-command")
	missing, _ := run(t, filepath.Join(t.TempDir(), "node.json"), "run")
	want := fmt.Sprint(usage, " ", missing)
	if got := setting(t, "RestartPreventExitStatus"); got != want {
		t.Errorf("RestartPreventExitStatus=%s, want %s", got, want)
	}
}
