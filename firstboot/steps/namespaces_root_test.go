//go:build root && linux

package steps

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// inside names the scenario that this test program plays when it is the first process
// of namespaces of its own: what it starts has its files, mounts and a network to
// itself there, and is gone when it is.
const inside = "STEPS_TEST_INSIDE"

// scene is one part of a scenario, which goes on from the one before.
type scene struct {
	name string
	do   func() error
}

func TestMain(m *testing.M) {
	name := os.Getenv(inside)
	if name == "" {
		os.Exit(m.Run())
	}
	scenarios := map[string][]scene{"apache": apacheScenario, "balancer": balancerScenario, "ddclient": ddclientScenario, "gluster": glusterScenario, "https": httpsScenario, "router": routerScenario,
		"tunnel": tunnelScenario, "tunnel node": {{"the node", beTunnelNode}}}
	for _, s := range scenarios[name] {
		if err := s.do(); err != nil {
			fmt.Printf("%s: FAIL: %v\n", s.name, err)
			os.Exit(1)
		}
		fmt.Printf("%s: ok\n", s.name)
	}
	fmt.Println("the scenario is over")
}

// inNamespaces plays a scenario, with such variables in its environment, beside others:
// most of their time they wait. It needs root; an ordinary user becomes it through sudo.
func inNamespaces(t *testing.T, scenario string, variables ...string) {
	t.Helper()
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
		"env", inside + "=" + scenario}
	args = append(append(args, variables...), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C",
		// The first process has to see to those whose parent has gone: glusterd takes a
		// brick that nobody has waited for as one that runs.
		"sh", "-c", `"$0"; exit $?`, self)
	if os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if t.Log(string(out)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(out), "the scenario is over\n") {
		t.Error("it ended before its end")
	}
}

// walkReally walks a step of the node f on this machine with that systemd.
func walkReally(units host.Units, f node.File, step Step) status.Step {
	return walkOn(fast{}, units, f, step)
}

func walkOn(clock host.Clock, units host.Units, f node.File, step Step) status.Step {
	h, err := host.New("/", nil)
	if err != nil {
		return status.Step{Error: err.Error()}
	}
	defer h.Files.Close()
	h.Units, h.Clock = units, clock
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var end status.Step
	Run(ctx, h, f, []Step{step}, func(_ int, s status.Step) { end = s })
	return status.Step{Name: end.Name, State: end.State, Doing: end.Doing, Error: end.Error}
}

// fast is a clock on which half a minute is over in some seconds.
type fast struct{}

const faster = 4

var dawn = time.Now()

func (fast) Now() time.Time { return dawn.Add(faster * time.Since(dawn)) }

func (fast) Sleep(ctx context.Context, d time.Duration) error {
	return host.Wall{}.Sleep(ctx, d/faster)
}

// differs is an error where two things differ.
func differs(what string, want, got any) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("%s (-want +got):\n%s", what, diff)
	}
	return nil
}

// sh runs a script.
func sh(script string) func() error {
	return func() error {
		out, err := exec.Command("sh", "-euc", script).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s: %w: %s", script, err, out)
		}
		return nil
	}
}

// all does one thing after the other.
func all(list ...func() error) func() error {
	return func() error {
		for _, do := range list {
			if err := do(); err != nil {
				return err
			}
		}
		return nil
	}
}
