package status

import (
	"testing"

	"berries/firstboot/host/hosttest"
)

const (
	act      = "/sys/class/leds/ACT"
	device   = "/sys/devices/platform/leds/leds/ACT"
	triggers = "none rfkill-any [mmc0] timer heartbeat default-on\n"
)

func TestTheLEDShowsPatternsAndGetsItsTriggerBack(t *testing.T) {
	h := hosttest.New(t, map[string]string{
		act: "-> ../../devices/platform/leds/leds/ACT", device + "/trigger": triggers,
		device + "/delay_on": "500\n", device + "/delay_off": "500\n", "/run/": "",
	})
	l := FindLED(h.Files)
	if got := l.Shows(); got != "mmc0" {
		t.Errorf("it shows %q, want mmc0", got)
	}
	l.Show(Working)
	if got := h.Read(act + "/trigger"); got != "heartbeat" {
		t.Errorf("the trigger is %q", got)
	}
	h.Write(act+"/trigger", "none mmc0 [heartbeat] timer\n") // as the kernel says it
	l.Show(NeedsPerson)
	if on, off := h.Read(act+"/delay_on"), h.Read(act+"/delay_off"); h.Read(act+"/trigger") != "timer" || on != "100" || off != "100" {
		t.Errorf("the trigger is %q, %s ms on and %s off", h.Read(act+"/trigger"), on, off)
	}
	h.Write(act+"/trigger", "none mmc0 heartbeat [timer]\n")
	next := FindLED(h.Files) // of the next run
	next.Show(Steady)
	next.Restore()
	if got := h.Read(act + "/trigger"); got != "mmc0" {
		t.Errorf("in the end the trigger is %q", got)
	}
	h.Write(act+"/trigger", "[none] mmc0\n")
	if next.Restore(); h.Read(act+"/trigger") != "[none] mmc0\n" {
		t.Error("it was restored twice")
	}
}

func TestWhatIsShownAlreadyIsLeftAlone(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/sys/class/leds/led0/trigger": "none mmc0 [default-on]\n"})
	FindLED(h.Files).Show(Steady)
	if got := h.Read("/sys/class/leds/led0/trigger"); got != "none mmc0 [default-on]\n" {
		t.Errorf("the trigger is %q", got)
	}
}

func TestAMachineWithoutAnLEDShowsNothing(t *testing.T) {
	h := hosttest.New(t, map[string]string{"/sys/class/leds/input3::capslock/trigger": triggers, "/run/": ""})
	l := FindLED(h.Files)
	l.Show(NeedsPerson)
	l.Restore()
	if got := l.Shows(); got != "" || h.Read("/sys/class/leds/input3::capslock/trigger") != triggers || h.Files.Exists(ledOwn) {
		t.Errorf("it shows %q", got)
	}
}
