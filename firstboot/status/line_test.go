package status

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	tests := []struct {
		text string
		line Line
	}{
		{"berry-firstboot: step 1/2 identity: done (0.1s)",
			Line{Number: 1, Total: 2, Step: Step{Name: "identity", State: Done, Seconds: 0.1}}},
		{"berry-firstboot: step 2/2 card: already done (0.0s)",
			Line{Number: 2, Total: 2, Step: Step{Name: "card", State: AlreadyDone}}},
		{"berry-firstboot: step 10/11 georep: done (1234.5s)",
			Line{Number: 10, Total: 11, Step: Step{Name: "georep", State: Done, Seconds: 1234.5}}},
		{"berry-firstboot: step 2/2 card: failed: cannot grow partition 3 of /dev/mmcblk0: sfdisk: exit status 1 (0.0s)",
			Line{Number: 2, Total: 2, Step: Step{Name: "card", State: Failed,
				Error: "cannot grow partition 3 of /dev/mmcblk0: sfdisk: exit status 1 (0.0s)"}}},
		{"berry-firstboot: step 3/4 tunnel: done (6.1s); balancer does not answer (yet)", Line{Number: 3, Total: 4,
			Step: Step{Name: "tunnel", State: Done, Seconds: 6.1, Note: "balancer does not answer (yet)"}}},
		{"berry-firstboot: ready", Line{Ready: true}},
	}
	for _, tt := range tests {
		if got := tt.line.String(); got != tt.text {
			t.Errorf("got  %s\nwant %s", got, tt.text)
		}
		for _, seen := range []string{tt.text, tt.text + "\r\n", "[   12.3] berry-firstboot[312]: " + tt.text} {
			got, ok := ParseLine(seen)
			if diff := cmp.Diff(tt.line, got); diff != "" || !ok {
				t.Errorf("ParseLine(%q): ok %v (-want +got):\n%s", seen, ok, diff)
			}
		}
	}
}

func TestTextOfAStepThatHasNotEnded(t *testing.T) {
	for want, step := range map[string]Step{
		"step 2/2 card: waiting":                {State: Waiting},
		"step 2/2 card: running":                {State: Running},
		"step 2/2 card: growing the filesystem": {State: Running, Doing: "growing the filesystem"},
	} {
		step.Name = "card"
		if got := (Line{Number: 2, Total: 2, Step: step}).Text(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestLinesThatAreNotOurs(t *testing.T) {
	for _, text := range []string{
		"",
		"step 1/2 identity: done (0.1s)",
		"systemd[1]: Started berry-firstboot.service",
		"berry-firstboot: ",
		"berry-firstboot: ready to go",
		"berry-firstboot: node file /etc/berry/node.json: no such file or directory",
		"berry-firstboot: step identity: done (0.1s)",
		"berry-firstboot: step 0/2 identity: done (0.1s)",
		"berry-firstboot: step 3/2 identity: done (0.1s)",
		"berry-firstboot: step 1/2 : done (0.1s)",
		"berry-firstboot: step 1/2 identity: done",
		"berry-firstboot: step 1/2 identity: done (0.1",
		"berry-firstboot: step 1/2 identity: done (soon)",
		"berry-firstboot: step 1/2 identity: running (0.1s)",
		"berry-firstboot: step 1/2 identity",
		"berry-firstboot: step 1/2 identity: done (0.1s);",
		"berry-firstboot: step 1/2 identity: done (0.1s) at last",
	} {
		if got, ok := ParseLine(text); ok || got != (Line{}) {
			t.Errorf("ParseLine(%q) = %+v, %v", text, got, ok)
		}
	}
}

// FuzzParseLine holds that a line read from a console is the line it prints.
func FuzzParseLine(f *testing.F) {
	f.Add("berry-firstboot: step 1/2 identity: done (0.1s)")
	f.Add("berry-firstboot: step 2/2 card: failed: it is gone")
	f.Add("berry-firstboot: ready")
	f.Fuzz(func(t *testing.T, text string) {
		line, ok := ParseLine(text)
		if !ok || strings.Contains(line.Step.Name+line.Step.Error, prefix) {
			return
		}
		again, ok := ParseLine(line.String())
		line.Step.Seconds = again.Step.Seconds // printed to a tenth
		if diff := cmp.Diff(line, again); diff != "" || !ok {
			t.Errorf("%q reads back as %q, ok %v:\n%s", text, line.String(), ok, diff)
		}
	})
}
