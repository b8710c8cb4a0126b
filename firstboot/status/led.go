package status

import (
	"path"
	"strings"

	"berries/firstboot/host"
)

// Pattern is what the activity LED of the board shows.
type Pattern string

// The patterns, as the kernel's triggers of LEDs.
const (
	Working     Pattern = "heartbeat"
	Steady      Pattern = "default-on" // the node is ready
	NeedsPerson Pattern = "timer"      // blinking fast
)

const (
	// ledOwn holds the trigger that the board had of its own, until it has it back. It
	// is in memory: a boot sets the trigger anew.
	ledOwn = "/run/berry/led"
	// blink is how long the LED is on, and off, in milliseconds.
	blink = "100"
)

// LED is the activity LED. A machine that has none, or whose kernel lets nobody at it, as
// in a container, shows nothing, which is no fault.
type LED struct {
	files *host.Files
	dir   string // "" where there is none
}

// FindLED finds the LED: it is ACT with the kernels of bookworm and trixie, on all
// boards that have one, and led0 with older ones.
func FindLED(files *host.Files) LED {
	for _, name := range []string{"ACT", "led0"} {
		if dir := "/sys/class/leds/" + name; files.Exists(dir + "/trigger") {
			return LED{files, dir}
		}
	}
	return LED{}
}

// Shows is the pattern that is shown, or another trigger.
func (l LED) Shows() Pattern {
	if l.dir == "" {
		return ""
	}
	text, _ := l.files.Read(l.dir + "/trigger")
	_, rest, _ := strings.Cut(string(text), "[") // none [mmc0] timer
	trigger, _, _ := strings.Cut(rest, "]")
	return Pattern(trigger)
}

// Show shows a pattern from now on, also when the program has ended.
func (l LED) Show(p Pattern) {
	now := l.Shows()
	if l.dir == "" || now == p {
		return
	}
	if !l.files.Exists(ledOwn) && l.files.Mkdir(path.Dir(ledOwn), 0o755) == nil {
		l.files.Replace(ledOwn, []byte(now), 0o644) // without it the board gets its trigger back with a boot
	}
	l.set(p)
}

// Restore gives the board its own trigger back, such as mmc0.
func (l LED) Restore() {
	if l.dir == "" {
		return
	}
	if own, err := l.files.Read(ledOwn); err == nil {
		l.set(Pattern(own))
		l.files.Remove(ledOwn)
	}
}

// set sets a trigger, and what it has to know. A kernel that lacks it shows what it did.
func (l LED) set(p Pattern) {
	if l.files.Set(l.dir+"/trigger", string(p)) != nil || p != NeedsPerson {
		return
	}
	for _, delay := range []string{"/delay_on", "/delay_off"} {
		l.files.Set(l.dir+delay, blink)
	}
}
