package cli

import (
	"os"
	"strings"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

const trigger = "/sys/class/leds/ACT/trigger"

// newBoard is a machine with an activity LED and a boot partition.
func newBoard(t *testing.T, role string) *machine {
	m := newMachine(t, role)
	m.Host.Host.Clock = host.Wall{} // which several look at here
	m.Write(trigger, "none [mmc0] heartbeat timer default-on\n")
	m.Write("/boot/firmware/", "")
	m.Write("/proc/self/mountinfo", "1 1 0:2 / / rw - tmpfs tmpfs rw\n2 1 179:1 / /boot/firmware rw - vfat /dev/mmcblk0p1 rw\n")
	return m
}

// led is what the LED shows. The kernel puts what is written there between the others.
func (m *machine) led() string {
	text := strings.TrimSpace(m.Read(trigger))
	if !strings.Contains(text, "[") {
		m.Write(trigger, "none ["+text+"] other\n")
		return text
	}
	_, text, _ = strings.Cut(text, "[")
	text, _, _ = strings.Cut(text, "]")
	return text
}

func (m *machine) wantsBoot(words, advice string) {
	m.t.Helper()
	text := m.Read(status.BootPath)
	if !strings.Contains(text, "State:     "+words) || !strings.Contains(text, "What to do: "+advice) {
		m.t.Errorf("the boot partition says\n%s\nwant %s, and what to do: %s", text, words, advice)
	}
}

func TestTheLEDShowsHowFarTheNodeIs(t *testing.T) {
	m := newBoard(t, node.Balancer)
	var shown []string
	m.told = func(string) { shown = append(shown, m.led()) }
	if _, _, code := m.types("run --once"); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	if got := strings.Join(shown, " "); got != "heartbeat heartbeat default-on" {
		t.Errorf("it shows %s", got)
	}
	if got := m.led(); got != "mmc0" {
		t.Errorf("in the end it shows %s, want the board's own", got)
	}
	m.wantsBoot("ready", "the node has no network")
}

// What passes by itself may fail once. The LED stays as it is until systemd has started
// the program again.
func TestANodeThatFailsTwiceAsksForAPerson(t *testing.T) {
	m := newBoard(t, node.Storage)
	for _, want := range []string{"heartbeat", "timer", "timer"} {
		if _, _, code := m.types("run --once"); code != 1 {
			t.Fatalf("exit code %d", code)
		}
		if got := m.led(); got != want {
			t.Errorf("the LED shows %s, want %s", got, want)
		}
	}
	m.wantsBoot("step 2/2 card: failed: the root filesystem is not on a partition of a card", "the node has no network")
}

func TestACardThatWillNeverDoAsksForAPerson(t *testing.T) {
	m := newBoard(t, node.Storage)
	m.root = true
	if err := os.Remove(m.node); err != nil {
		t.Fatal(err)
	}
	m.want("run", "", "berry-firstboot: node file "+m.node+": no such file or directory\n"+
		"hint: berry build PROFILE NODE -o DIR, where the profile is, and flash this card anew\n", 3)
	if got := m.led(); got != "timer" {
		t.Errorf("the LED shows %s", got)
	}
	m.wantsBoot("node file ", "build the image again")
}
