//go:build root

package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/status"
	"berries/firstboot/umltest"
)

// stopper stands in front of the programs that the steps run, and stops the
// machine before or after one of them where the kernel's command line says so;
// with kill it stops the program that ran it, once in a boot.
const stopper = `#!/bin/sh
name=${0##*/}
asked() { grep -qw "$1=$name-$2" /proc/cmdline; }
here() {
	asked cut $1 && { echo "cut here" >/dev/console; sleep 1000; }
	asked kill $1 && mkdir /run/killed 2>/dev/null && kill -9 $PPID
}
PATH=/usr/sbin:/usr/bin
[ "$1" = --json ] && exec $name "$@"
here before
$name "$@" || exit
here after
exit 0
`

// stoppable is a card on which stopper works.
func stoppable(t *testing.T, f node.File) *umltest.Card {
	t.Helper()
	files := map[string]umltest.File{
		"/etc/systemd/system/berry-firstboot.service.d/stop.conf": {
			Content: "[Service]\nEnvironment=PATH=/opt/stop:/usr/sbin:/usr/bin\nRestartSec=1\n"},
	}
	for _, name := range []string{"locale-gen", "sfdisk", "partx", "resize2fs"} {
		files["/opt/stop/"+name] = umltest.File{Content: stopper, Mode: 0o755}
	}
	return card(t, f, files)
}

func TestPowerCutsBetweenTheCommands(t *testing.T) {
	t.Parallel()
	for _, place := range []string{
		"locale-gen-after", "sfdisk-before", "sfdisk-after", "partx-after", "resize2fs-before", "resize2fs-after",
	} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			f, identity, ends := plain(), status.AlreadyDone, []status.State{status.Done}
			if strings.HasPrefix(place, "locale-gen") {
				// What it wrote is lost, or half written.
				f, identity = cluster01, status.Done
			}
			if place == "resize2fs-after" {
				// It is the last command: what it did is there, or not yet written.
				ends = append(ends, status.AlreadyDone)
			}
			c := stoppable(t, f)
			m := c.Boot("cut=" + place)
			m.UntilSays("cut here")
			m.Cut()
			m = c.Boot("")
			wantLines(t, m, identity, ends...)
			m.Cut()
			wantCard(t, c, rest)
		})
	}
}

func TestAKilledProgramIsStartedAgainAndGoesOn(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"sfdisk-after", "resize2fs-before"} {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			c := stoppable(t, plain())
			m := c.Boot("kill=" + place)
			for range 2 { // identity is told by each of the two runs
				m.UntilSays("berry-firstboot: step 1/2 identity: ")
			}
			m.UntilSays("berry-firstboot: step 2/2 card: done")
			m.UntilSays("berry-firstboot: ready")
			m.Cut()
			in := wantCard(t, c, rest)
			if got := in.Read(status.Path); !strings.Contains(got, `"starts": 2,`) {
				t.Errorf("status file: %s", got)
			}
		})
	}
}

// TestPowerCutsAtAnyMoment cuts the same card again and again while it boots for
// the first time, and then lets it finish.
func TestPowerCutsAtAnyMoment(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	c := card(t, cluster01, probe)
	for range 5 {
		m := c.Boot("")
		m.UntilSays("systemd")
		after := time.Duration(random.Int64N(int64(20 * time.Second)))
		t.Logf("cut after %v", after)
		time.Sleep(after)
		m.Cut()
	}
	m := c.Boot("")
	m.UntilSays("berry-firstboot: ready")
	m.Cut()
	wantCard(t, c, rest)
}

// A second card in a reader has the same labels.
func TestAnotherCardIsNotTouched(t *testing.T) {
	t.Parallel()
	const fstab = "/dev/ubda2 / ext4 defaults 0 1\n%s /export ext4 defaults 0 0\n"
	tests := []struct{ name, mounts, want string }{
		{"ours is mounted", "/dev/ubda3", "card: done"},
		{"the other is mounted", "/dev/ubdb3", "card: failed: /export is mounted from /dev/ubdb3 (98:19), not from /dev/ubda3 (98:3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := card(t, plain(), map[string]umltest.File{
				"/etc/fstab": {Content: strings.Replace(fstab, "%s", tt.mounts, 1)},
			})
			other := umltest.NewCard(t, cardSize, nil)
			before := other.Partitions()
			m := c.Boot("", other)
			if got := m.UntilSays("card: "); !strings.Contains(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			m.Cut()
			if got := other.Partitions(); got[2] != before[2] {
				t.Errorf("the other card's partition became %+v", got[2])
			}
			if got := other.Contents().BrickSize(); got != before[2].Size {
				t.Errorf("the other card's filesystem became %d sectors", got)
			}
		})
	}
}

func TestAFailedStepIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := plain()
	f.Brick.Label = "nowhere"
	c := stoppable(t, f)
	m := c.Boot("")
	for range 2 {
		m.UntilSays("berry-firstboot: step 2/2 card: failed: no partition of /dev/ubda is labelled nowhere")
	}
	m.Cut()
}

func TestANodeFileThatOthersMayReadIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	c := card(t, plain(), map[string]umltest.File{
		node.Path: {Content: "{}", Mode: 0o644},
		"/etc/systemd/system/multi-user.target.wants/failed.service": {Content: "-> /etc/systemd/system/failed.service"},
		"/etc/systemd/system/failed.service": {Content: "[Unit]\nAfter=berry-firstboot.service\n[Service]\n" +
			"ExecStart=/bin/sh -c 'echo failed: $(systemctl is-active berry-firstboot) $(systemctl show -P NRestarts berry-firstboot)'\n" +
			"StandardOutput=journal+console\n"},
	})
	m := c.Boot("")
	if said := m.UntilSays("failed: "); !strings.HasSuffix(said, "failed: failed 0") {
		t.Errorf("after it: %q, want failed, and no restart", said)
	}
	m.Cut()
}
