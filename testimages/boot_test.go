//go:build qemu

package testimages

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/testimages/qemu"
)

const (
	node      = "cluster01"
	cardSize  = 8 << 30
	ready     = "berry-firstboot: ready"
	bootLimit = 8 * time.Minute // a boot on two busy cores, every instruction emulated
	askLimit  = 2 * time.Minute
)

// TestBoot boots the image of one node from an SD card three times: the first
// boot sets the node up, the second finds everything done, and so does the
// third, after the power was cut.
func TestBoot(t *testing.T) {
	image, login := build(t)
	card, err := qemu.NewCard(t.Context(), image, t.TempDir(), cardSize)
	if err != nil {
		t.Fatal(err)
	}

	m := boot(t, card, "1-first")
	first := states(m)
	t.Run("the first boot brings every step about", func(t *testing.T) {
		for step, state := range first {
			if state != "done" {
				t.Errorf("step %s: %s, want done", step, state)
			}
		}
		if len(first) == 0 {
			t.Error("no step was taken")
		}
	})
	t.Run("the node is what its profile says", func(t *testing.T) { look(t, m, login) })
	powerOff(t, m)
	judge(t, card)

	m = boot(t, card, "2-clean")
	t.Run("the second boot finds everything done", func(t *testing.T) { lookAgain(t, m, login, first) })
	write(t, m, login)
	m.Kill()

	m = boot(t, card, "3-after-power-cut")
	t.Run("so does one after a power cut", func(t *testing.T) { lookAgain(t, m, login, first) })
	powerOff(t, m)
	judge(t, card)
}

// boot boots the card and waits until the node is ready. The transcript becomes
// an artefact named after the boot.
func boot(t *testing.T, card *qemu.Card, name string) *qemu.Machine {
	t.Helper()
	began := time.Now()
	m, err := qemu.Boot(context.Background(), qemu.Options{Card: card, Network: true, Console: artefact(t, name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	if err := m.WaitFor(ctx, ready); err != nil {
		t.Fatal(err)
	}
	t.Logf("boot %s: ready after %.0f s", name, time.Since(began).Seconds())
	return m
}

// artefact opens the file that a boot's transcript is kept in: below
// BERRY_ARTEFACTS, or in a folder that goes when the test ends.
func artefact(t *testing.T, name string) *os.File {
	t.Helper()
	dir := os.Getenv("BERRY_ARTEFACTS")
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, node+"-boot-"+name+".log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// stepLine is a line such as "berry-firstboot: step 2/2 card: already done (0.1s)".
var stepLine = regexp.MustCompile(`berry-firstboot: step \d+/\d+ ([a-z ]+): (done|already done|failed)`)

// states gives the state that each step reported on the console.
func states(m *qemu.Machine) map[string]string {
	seen := map[string]string{}
	for _, match := range stepLine.FindAllStringSubmatch(m.Transcript(), -1) {
		seen[match[1]] = match[2]
	}
	return seen
}

// lookAgain checks a boot of a node that has been set up: every step of the
// first boot was found done.
func lookAgain(t *testing.T, m *qemu.Machine, login qemu.Login, first map[string]string) {
	want := map[string]string{}
	for step := range first {
		want[step] = "already done"
	}
	if diff := cmp.Diff(want, states(m)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	look(t, m, login)
}

// looks are what is asked of the node through SSH, and what it must answer.
var looks = []struct{ what, command, want string }{
	{"the host name is the node's", "hostname", node},
	{"the name is its own address's", "getent hosts 127.0.1.1 | tr -s ' ' | cut -d' ' -f2", node},
	{"the brick is mounted where it belongs", "findmnt -n -o SOURCE /export", "/dev/mmcblk0p3"},
	{"the brick is mounted by its label", "findmnt -n --fstab -o SOURCE /export", "LABEL=berry-brick"},
	{"the brick can be written", "sudo touch /export/brick/x && sudo rm /export/brick/x && echo yes", "yes"},
	{"the brick partition ends where the card does",
		"cd /sys/block/mmcblk0; echo $(($(cat size) - $(cat mmcblk0p3/start) - $(cat mmcblk0p3/size) < 16384))", "1"},
	{"the brick filesystem fills its partition",
		"df -B512 --output=size /export | awk -v p=$(cat /sys/class/block/mmcblk0p3/size) 'END {print ($1 > 0.9 * p)}'", "1"},
	{"the root partition is as large as the profile says",
		"echo $(($(cat /sys/class/block/mmcblk0p2/size) / 2048)) MiB", "4096 MiB"},
	{"the root filesystem fills it", "df -B1M --output=size / | awk 'END {print ($1 > 3800)}'", "1"},
	{"nothing has failed", "systemctl --failed --no-legend --plain | wc -l", "0"},
	{"the system is up", "systemctl is-system-running --wait", "running"},
}

// look asks the node about itself.
func look(t *testing.T, m *qemu.Machine, login qemu.Login) {
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	for _, l := range looks {
		answer, err := m.SSH(ctx, login, l.command)
		if got := strings.TrimSpace(answer); got != l.want {
			t.Errorf("%s: %s: got %q, want %q (%v)", l.what, l.command, got, l.want, err)
		}
	}
}

func powerOff(t *testing.T, m *qemu.Machine) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	if err := m.PowerOff(ctx); err != nil {
		t.Fatal(err)
	}
}

// write starts writing to the brick and the root filesystem, and lets it go on.
func write(t *testing.T, m *qemu.Machine, login qemu.Login) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	const loop = `while :; do for d in /export/brick/t /var/tmp/t; do cp -r /etc $d; sync; rm -r $d; done; done`
	if _, err := m.SSH(ctx, login, "sudo sh -c '("+loop+") >/dev/null 2>&1 &'; sleep 5"); err != nil {
		t.Fatal(err)
	}
}

// partition is one entry of a partition table, in sectors.
type partition struct{ Start, Size int64 }

// judge has other programs look at the card of a machine that is off. The boot
// partition is left to the guest's own fsck.vfat, which runs at every boot.
func judge(t *testing.T, card *qemu.Card) {
	t.Helper()
	out, err := exec.Command("sfdisk", "--json", card.Path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		PartitionTable struct{ Partitions []partition }
	}
	if err := json.Unmarshal(out, &read); err != nil {
		t.Fatal(err)
	}
	parts := read.PartitionTable.Partitions
	if len(parts) != 3 {
		t.Fatalf("the card has %d partitions, want 3:\n%s", len(parts), out)
	}
	if rest := cardSize/512 - parts[2].Start - parts[2].Size; rest < 0 || rest >= 8<<20/512 {
		t.Errorf("partition 3 ends %d sectors before the card, want less than 8 MiB", rest)
	}
	for _, p := range parts[1:] {
		check := exec.Command("e2fsck", "-fn", fmt.Sprintf("%s?offset=%d", card.Path, p.Start*512))
		if out, err := check.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", check, err, out)
		}
	}
}
