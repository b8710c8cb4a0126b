//go:build lab

package strangers

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"berries/firstboot/host"
	"berries/testimages/lab/cluster"
)

// wireLines is how often a file has the marker, so that some are in one packet.
const wireLines = 20_000

// wire writes and heals a file that has a marker in its name and content, and looks
// for it in all that went over the bridge. The same look finds it when a stranger gets
// the file from Apache.
func wire(t *testing.T, l lan) {
	marker := rand.Text()
	c := capture(t, l.Lab)
	write := fmt.Sprintf("yes %s | head -n %d >/mnt/www/%[1]s", marker, wireLines)
	ask(t, l.Lab, early[0], write)
	size := wireLines * (len(marker) + 1)
	if err := l.Stop(t.Context(), early[1]); err != nil {
		t.Fatal(err)
	}
	ask(t, l.Lab, early[0], strings.Replace(write, ">", ">>", 1))
	if err := l.Start(t.Context(), early[1]); err != nil {
		t.Fatal(err)
	}
	within(t, bootLimit, early[1]+" has what was written while it was off", func() bool {
		return ask(t, l.Lab, early[1], "stat -c %s /export/brick/"+marker+" || true") == strconv.Itoa(2*size)
	})
	if got := ask(t, l.Lab, late, "grep -c "+marker+" /mnt/www/"+marker); got != strconv.Itoa(2*wireLines) {
		t.Errorf("%s reads %s lines, want %d", late, got, 2*wireLines)
	}
	// Two copies of what was written at first, one later, and one that was healed.
	within(t, askLimit, "the capture has what went from node to node", func() bool { return len(c.read(t)) > 4*size })
	if c.has(t, marker) {
		t.Error("what a file holds goes from node to node in clear")
	}
	url := fmt.Sprintf("http://%s:8081/%s", address(t, l.Lab, late), marker)
	if _, err := l.stranger.Run(t.Context(), host.Command("curl", "--fail", "--silent", "--show-error", "--output", "/dev/null", url)); err != nil {
		t.Fatal(err)
	}
	within(t, askLimit, "the capture has what Apache sends", func() bool { return c.has(t, marker) })
}

// captured is a file with all that goes over the bridge of a lab.
type captured struct{ file string }

// capture begins to write what goes over the bridge, until the end of the test.
func capture(t *testing.T, l *cluster.Lab) captured {
	t.Helper()
	c := captured{filepath.Join(t.TempDir(), "wire")}
	cmd := exec.Command("ip", "netns", "exec", l.Namespace(""), "tcpdump", "-i", "lan", "-n", "-U", "-Z", "root", "-B", "65536", "-w", c.file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	said := &bytes.Buffer{}
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGINT)
		cmd.Wait()
		if said := said.String(); !strings.Contains(said, "\n0 packets dropped by kernel") {
			t.Errorf("tcpdump missed something: %s", said)
		}
	})
	within(t, askLimit, "tcpdump listens", func() bool { _, err := os.Stat(c.file); return err == nil })
	return c
}

func (c captured) read(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (c captured) has(t *testing.T, marker string) bool {
	return bytes.Contains(c.read(t), []byte(marker))
}
