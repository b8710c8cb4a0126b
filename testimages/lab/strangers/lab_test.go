//go:build lab

// Package strangers lets computers that are none of the cluster's loose on the LAN of
// a lab: they announce members' names, flood it with announcements, call members into
// a pool of their own, mount the volume and listen to the wire. Each part has a
// stranger who succeeds, with a member's own certificate or where nothing is
// encrypted: so a refusal is not that of a broken tool.
package strangers

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/firstboot/host"
	"berries/testimages/lab/cluster"
	"berries/testimages/lab/labtest"
)

// The limits of what nodes do by themselves, on a busy machine.
const (
	setUpLimit = 10 * time.Minute // with all packages to be installed
	bootLimit  = 2 * time.Minute
	askLimit   = 30 * time.Second
)

// late is the node that loses its power before the cluster has formed. While it is
// off, its name is free for whoever wants it.
const late = "cluster01"

// early are the others.
var early = []string{"cluster02", "cluster03"}

// TestMain makes a stranger of this program where it was started again as one.
func TestMain(m *testing.M) {
	do := map[string]func(context.Context) error{actImpostors: beImpostors, actFlood: flood}[os.Getenv(act)]
	if do == nil {
		os.Exit(m.Run())
	}
	if err := do(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestStrangersLab has two of three nodes wait for the third when strangers come, and
// goes on with them when the cluster has formed.
func TestStrangersLab(t *testing.T) {
	l, secrets := start(t)
	untilAlone(t, l)
	stranger := attach(t, l, "stranger", 210)
	for _, part := range []struct {
		name string
		do   func(*testing.T, lan)
	}{
		{"who announces a member's name and cannot prove it is nobody's peer", impostors},
		{"a thousand announcements cost nothing, and nodes follow each other meanwhile", floods},
		{"nobody calls a node that waits for the others into another pool", probesFrom(211)},
		{"who has a member's certificate is taken for it", stolen},
		{"the cluster forms all the same", forms},
		{"nobody calls a member into another pool", probesFrom(212)},
		{"nobody mounts the volume", mounts},
		{"nothing of a file can be read on the wire, unless by HTTP", wire},
	} {
		ok := t.Run(part.name, func(t *testing.T) {
			before := restarts(t, l)
			part.do(t, lan{l, stranger, secrets})
			unharmed(t, l, before)
		})
		if !ok {
			return
		}
	}
}

// lan is what the parts work with.
type lan struct {
	*cluster.Lab
	stranger *cluster.Stranger
	secrets  secrets
}

// start boots the nodes.
func start(t *testing.T) (*cluster.Lab, secrets) {
	t.Helper()
	dir := labtest.Folder(t)
	s := readSecrets(t, filepath.Join(dir, "berries.secrets"))
	l, err := cluster.New(t.Context(), filepath.Join(t.TempDir(), "lab"), labtest.Images(dir, all()...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.Background()); err != nil {
			t.Error(err)
		}
	})
	var started errgroup.Group
	for _, name := range all() {
		started.Go(func() error { return l.Start(t.Context(), name) })
	}
	if err := started.Wait(); err != nil {
		t.Fatal(err)
	}
	return l, s
}

// untilAlone cuts the late node as soon as the others know where it is, and waits
// until their glusterd waits for it, too.
func untilAlone(t *testing.T, l *cluster.Lab) {
	t.Helper()
	for _, name := range early {
		within(t, bootLimit, name+" knows where all are", func() bool { return len(hosts(t, l, name)) == len(all()) })
	}
	if err := l.Cut(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	for _, name := range early {
		within(t, setUpLimit, name+" waits for "+late, func() bool {
			s, err := l.State(t.Context(), name)
			return err == nil && strings.Contains(s.Step, "pool: waiting for "+late)
		})
	}
}

// forms starts the late node.
func forms(t *testing.T, l lan) {
	if err := l.Start(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), setUpLimit, fmt.Errorf("not within %v", setUpLimit))
	defer cancel()
	if err := l.WaitReady(ctx); err != nil {
		t.Fatal(err)
	}
	for _, name := range all() {
		if got := strings.Count(ask(t, l.Lab, name, "gluster --mode=script pool list"), "Connected"); got != len(all()) {
			t.Errorf("%s counts %d members that are connected, want %d", name, got, len(all()))
		}
	}
}

// restarts is how often systemd has started glusterd and berry-firstboot again, on
// nodes that are on.
func restarts(t *testing.T, l *cluster.Lab) map[string]int {
	t.Helper()
	counts := map[string]int{}
	for _, name := range all() {
		s, err := l.State(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if s.State == cluster.Off {
			continue
		}
		for word := range strings.FieldsSeq(ask(t, l, name, "systemctl show -P NRestarts glusterd berry-firstboot")) {
			n, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			counts[name] += n
		}
	}
	return counts
}

// unharmed looks whether members know each other and nobody else, and nothing of them
// has failed since before.
func unharmed(t *testing.T, l *cluster.Lab, before map[string]int) {
	t.Helper()
	for _, name := range all() {
		s, err := l.State(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if s.State == cluster.Off {
			continue
		}
		pool := ask(t, l, name, "gluster --mode=script pool list | tail -n +2 | awk '{print $2}' | sort | tr '\n' ' '")
		want := strings.Join(append([]string{"localhost"}, without(all(), name)...), " ")
		if sorted(pool) != sorted(want) {
			t.Errorf("%s is in a pool with %q, want %q", name, pool, want)
		}
		if failed := ask(t, l, name, "systemctl --failed --plain --no-legend"); failed != "" {
			t.Errorf("on %s there failed: %s", name, failed)
		}
	}
	now := restarts(t, l)
	if len(now) > len(before) {
		return // while a cluster forms, berry-firstboot may end with what it cannot get over, and begin anew
	}
	for name, n := range now {
		if n > before[name] {
			t.Errorf("on %s services were started again %d times, before %d times", name, n, before[name])
		}
	}
}

func sorted(words string) string {
	list := strings.Fields(words)
	slices.Sort(list)
	return strings.Join(list, " ")
}

func without(list []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == one })
}

func all() []string { return append([]string{late}, early...) }

// hosts is the block of ours in a node's hosts file: addresses by name.
func hosts(t *testing.T, l *cluster.Lab, name string) map[string]string {
	t.Helper()
	at := map[string]string{}
	for line := range strings.Lines(ask(t, l, name, "sed -n '/^# The nodes of the cluster/,/^# End of/p' /etc/hosts")) {
		// The nodes of other houses are there, too, by the tunnel, which nobody announces.
		if w := strings.Fields(line); len(w) == 2 && !strings.HasPrefix(w[0], "10.83.0.") {
			at[w[1]] = w[0]
		}
	}
	return at
}

// address is where a node is.
func address(t *testing.T, l *cluster.Lab, name string) netip.Addr {
	t.Helper()
	s, err := l.State(t.Context(), name)
	if err != nil || !s.Address.IsValid() {
		t.Fatalf("%s has no address: %v", name, err)
	}
	return s.Address
}

func attach(t *testing.T, l *cluster.Lab, name string, number byte) *cluster.Stranger {
	t.Helper()
	s, err := l.Attach(t.Context(), name, inLAN(number))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func inLAN(number byte) netip.Addr {
	a := cluster.LAN.Addr().As4()
	a[3] = number
	return netip.AddrFrom4(a)
}

// ask runs a shell script on a node, and gives what it printed.
func ask(t *testing.T, l *cluster.Lab, name, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	res, err := l.Exec(ctx, name, "sh", "-c", script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(res.Stdout))
}

// act is the variable that says what this program does as a stranger. What it is
// told comes in by standard input: keys are no business of argv.
const act = "STRANGERS_TEST_ACT"

// again is this program, started again as a stranger.
func again(t *testing.T, what string, told any) host.Cmd {
	t.Helper()
	data, err := json.Marshal(told)
	if err != nil {
		t.Fatal(err)
	}
	return host.Cmd{Name: "env", Args: []string{act + "=" + what, os.Args[0]}, Stdin: strings.NewReader(string(data))}
}

// told reads what a stranger is told.
func told[T any]() (what T, err error) {
	err = json.NewDecoder(os.Stdin).Decode(&what)
	return what, err
}

// within waits until something holds.
func within(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	began := time.Now()
	for !holds() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%s after %.1fs", what, time.Since(began).Seconds())
}
