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

	"berries/builder/apt"
	"berries/testimages/qemu"
)

const (
	node      = "cluster01"
	cardSize  = 8 << 30
	alone     = "berry-firstboot: step 4/10 tunnel: " // then it waits for other nodes
	bootLimit = 20 * time.Minute                      // a first boot on two busy cores, every instruction emulated
	askLimit  = 4 * time.Minute
)

// firstStates are the steps of a first boot, and againStates those of a later one. The
// image has its name and zone from the builder; the tunnel is made anew at each boot.
var (
	firstStates = map[string]string{"identity": "already done", "card": "done", "packages": "done", "tunnel": "done"}
	againStates = map[string]string{"identity": "already done", "card": "already done", "packages": "already done", "tunnel": "done"}
)

// TestBoot boots the image of one storage node from an SD card three times: the
// first boot, without any network device, sets the node up as far as it can be
// alone; the second finds that done, and so does the third, after the power was cut.
func TestBoot(t *testing.T) {
	dir := build(t, "berries.yaml", node)
	image, login := filepath.Join(dir, node+".img"), login(t, dir, node)
	card, err := qemu.NewCard(t.Context(), image, t.TempDir(), cardSize)
	if err != nil {
		t.Fatal(err)
	}

	m := boot(t, card, "1-first", false)
	t.Run("the first boot brings every step about, offline", func(t *testing.T) {
		if diff := cmp.Diff(firstStates, states(m)); diff != "" {
			t.Errorf("steps (-want +got):\n%s", diff)
		}
	})
	powerOff(t, m)
	judge(t, card)

	m = boot(t, card, "2-clean", true)
	t.Run("the second boot finds everything done", func(t *testing.T) { lookAgain(t, m, login) })
	t.Run("the packages are the locked ones", func(t *testing.T) { lookAtPackages(t, m, login, image) })
	write(t, m, login)
	m.Kill()

	m = boot(t, card, "3-after-power-cut", true)
	t.Run("so does one after a power cut", func(t *testing.T) { lookAgain(t, m, login) })
	powerOff(t, m)
	judge(t, card)
}

// boot boots the card and waits until the node has done all that it can alone. The transcript
// becomes an artefact named after the boot.
func boot(t *testing.T, card *qemu.Card, name string, network bool) *qemu.Machine {
	t.Helper()
	began := time.Now()
	m, err := qemu.Boot(context.Background(), qemu.Options{Card: card, Network: network, Console: artefact(t, node+"-boot-"+name)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), bootLimit)
	defer cancel()
	if err := m.WaitFor(ctx, alone); err != nil {
		t.Fatal(err)
	}
	t.Logf("boot %s: done after %.0f s", name, time.Since(began).Seconds())
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
	f, err := os.Create(filepath.Join(dir, name+".log"))
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

// lookAgain checks a boot of a node that has been set up.
func lookAgain(t *testing.T, m *qemu.Machine, login qemu.Login) {
	if diff := cmp.Diff(againStates, states(m)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	look(t, m, login)
}

// looks are what is asked of the node through SSH, and what it must answer.
var looks = []struct{ what, command, want string }{
	{"the host name is the node's", "hostname", node},
	{"the name is its own address's", "getent ahostsv4 " + node + " | head -n 1 | cut -d ' ' -f 1", "10.0.2.15"},
	{"its certificate is for nobody else", "sudo stat -c %a:%U /etc/berry/tls/node.key /etc/berry/node.json | sort -u", "600:root"},
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
	{"what makes a desktop was taken away", "dpkg -l x11-common 2>/dev/null | grep -c ^ii", "0"},
	{"no package is half installed", "sudo dpkg --audit", ""},
	{"the pool's space is free", "ls -A /var/lib/berry | paste -sd ' '", "cards.json status.json"},
	{"nothing keeps services from being started", "ls /usr/sbin/policy-rc.d 2>&1 | grep -c 'No such'", "1"},
	{"no service was started before its step", "systemctl is-active apache2 glusterd ddclient | sort -u", "inactive"},
	{"nothing has failed", "systemctl --failed --no-legend --plain | wc -l", "0"},
	{"it waits for the others",
		"for i in $(seq 30); do /usr/lib/berry/berry-firstboot status | grep -o 'peers: waiting for cluster02, cluster03' && break; sleep 1; done",
		"peers: waiting for cluster02, cluster03"},
	{"so its boot partition says on any PC",
		"for i in $(seq 90); do grep -o 'peers: waiting for cluster02, cluster03' /boot/firmware/berry-status.txt && break; sleep 1; done",
		"peers: waiting for cluster02, cluster03"},
}

// look asks the node about itself, all at once: a login takes seconds.
func look(t *testing.T, m *qemu.Machine, login qemu.Login) {
	t.Helper()
	var script strings.Builder
	for _, l := range looks {
		fmt.Fprintf(&script, "(%s); echo %s\n", l.command, mark)
	}
	answers := strings.Split(ask(t, m, login, script.String()), mark)
	if len(answers) != len(looks)+1 {
		t.Fatalf("%d answers to %d questions: %q", len(answers)-1, len(looks), answers)
	}
	for i, l := range looks {
		if got := strings.TrimSpace(answers[i]); got != l.want {
			t.Errorf("%s: %s: got %q, want %q", l.what, l.command, got, l.want)
		}
	}
}

// mark ends each answer.
const mark = "--end-of-answer--"

// ask runs a script on the node, and gives what it printed.
func ask(t *testing.T, m *qemu.Machine, login qemu.Login, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), askLimit)
	defer cancel()
	answer, err := m.SSH(ctx, login, script)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// lookAtPackages compares what dpkg has on the node with the lock of its image.
func lookAtPackages(t *testing.T, m *qemu.Machine, login qemu.Login, image string) {
	lock, err := apt.ReadLock(filepath.Join(filepath.Dir(image), "berries.lock.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	list, err := lock.For("storage")
	if err != nil {
		t.Fatal(err)
	}
	has := ask(t, m, login, "dpkg-query -W -f '${Package} ${Version} ${Architecture} ${db:Status-Status}\n'")
	for _, p := range list {
		if line := fmt.Sprintf("%s %s %s installed\n", p.Name, p.Version, p.Arch); !strings.Contains("\n"+has, "\n"+line) {
			t.Errorf("the node lacks %s", line)
		}
	}
	for _, name := range []string{"glusterfs-server", "apache2"} {
		if !strings.Contains(has, "\n"+name+" ") {
			t.Errorf("the node has no %s", name)
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

// judge has other programs look at the card of a machine that is off. e2fsck does what
// it does at a boot, -p: the first boot changes how ext4 allocates while the system
// writes, and Linux 6.12 was seen to leave an inode then whose count of blocks is short
// by one, which e2fsck puts right by itself. What it would ask a person about is a
// fault. The boot partition is left to the guest's own fsck.vfat, which runs at every
// boot.
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
		check := exec.Command("e2fsck", "-fp", fmt.Sprintf("%s?offset=%d", card.Path, p.Start*512))
		out, err := check.CombinedOutput()
		t.Logf("%s: %v\n%s", check, err, out)
		const mended = 1 // e2fsck(8), EXIT CODE
		if err != nil && check.ProcessState.ExitCode() != mended {
			t.Error("the filesystem needs a person")
		}
	}
}
