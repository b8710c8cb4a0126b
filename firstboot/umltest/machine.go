package umltest

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a machine may keep a test waiting. A boot takes a few
// seconds; a busy test machine many times that.
const patience = 3 * time.Minute

// shim is what the kernel starts: it puts the test machine's /usr below the card's
// own and hands over to systemd there. Files keep the owner that they had when the
// card was made, which need not have been root.
const shim = `#!/bin/sh
mount -t ext4 /dev/ubda2 /mnt || exec sleep 1000
[ -e /mnt/var/lib/owned ] || { chown -hR 0:0 /mnt && touch /mnt/var/lib/owned; }
insmod /usr/lib/uml/modules/$(uname -r)/kernel/fs/overlayfs/overlay.ko
mount -t overlay -o lowerdir=/usr,upperdir=/mnt/usr,workdir=/mnt/var/lib/usr usr /mnt/usr || exec sleep 1000
exec switch_root /mnt /usr/lib/systemd/systemd
`

// needless are units of a full Debian that would only cost time.
var needless = []string{
	"e2scrub_reap.service", "getty.target", "systemd-firstboot.service", "systemd-logind.service",
	"systemd-update-utmp-runlevel.service", "systemd-networkd.service", "timers.target", "remote-fs.target",
}

// Machine is a running machine.
type Machine struct {
	process *exec.Cmd
	console chan string
	seen    []string
	t       testing.TB
}

// Boot starts a machine with the card in it, and words added to the kernel's
// command line. More cards, if any, are further disks. The machine is cut when
// the test ends.
func (c *Card) Boot(words string, more ...*Card) *Machine {
	c.t.Helper()
	dir := c.t.TempDir()
	start := filepath.Join(dir, "init")
	if err := os.WriteFile(start, []byte(shim), 0o755); err != nil {
		c.t.Fatal(err)
	}
	args := []string{
		"mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "init=" + start,
		"con=null", "con0=null,fd:1", "ssl=null", "uml_dir=" + dir, "umid=m", "ubd0=" + c.Path,
		"quiet", "systemd.show_status=0", "systemd.mask=" + strings.Join(needless, " systemd.mask="),
	}
	for i, other := range more {
		args = append(args, "ubd"+string(rune('1'+i))+"="+other.Path)
	}
	m := &Machine{t: c.t, console: make(chan string, 1000)}
	m.process = exec.Command("linux.uml", append(strings.Fields(strings.Join(args, " ")), strings.Fields(words)...)...)
	// The kernel keeps its memory in a file there.
	m.process.Env = append(os.Environ(), "TMPDIR=/dev/shm")
	// It starts a process for each of its own: a cut must take them all.
	m.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	read, write, err := os.Pipe()
	if err != nil {
		c.t.Fatal(err)
	}
	m.process.Stdout, m.process.Stderr = write, write
	if err := m.process.Start(); err != nil {
		c.t.Fatal(err)
	}
	write.Close()
	go m.listen(read)
	c.t.Cleanup(m.Cut)
	return m
}

// listen passes the console on, line by line, until the machine is gone.
func (m *Machine) listen(r io.ReadCloser) {
	defer r.Close()
	defer close(m.console)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		m.console <- lines.Text()
	}
}

// Until waits for a line on the console and returns what use made of it. It ends
// the test, showing the console, when the machine stops or has nothing more to
// say.
func Until[T any](m *Machine, what string, use func(line string) (T, bool)) T {
	m.t.Helper()
	late := time.After(patience)
	for {
		select {
		case line, running := <-m.console:
			if !running {
				m.t.Fatalf("the machine stopped before %s:\n%s", what, strings.Join(m.seen, "\n"))
			}
			m.seen = append(m.seen, line)
			if found, ok := use(line); ok {
				return found
			}
		case <-late:
			m.t.Fatalf("no %s after %v:\n%s", what, patience, strings.Join(m.seen, "\n"))
		}
	}
}

// UntilSays waits for a line that has text in it.
func (m *Machine) UntilSays(text string) string {
	m.t.Helper()
	return Until(m, text, func(line string) (string, bool) { return line, strings.Contains(line, text) })
}

// Cut pulls the plug: what the machine has not written to the card is lost.
func (m *Machine) Cut() {
	if m.process.ProcessState != nil {
		return
	}
	syscall.Kill(-m.process.Process.Pid, syscall.SIGKILL)
	m.process.Wait()
	for range m.console { // until it is closed: nobody holds the card any more
	}
}

func (m *Machine) Seen() []string { return m.seen }
