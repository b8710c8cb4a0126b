package umltest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long a machine may keep a test waiting. A boot takes a few
// seconds; a busy test machine many times that.
const patience = 3 * time.Minute

// morePatience is for machines that install packages.
const morePatience = 20 * time.Minute

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

// Machine is a running machine.
type Machine struct {
	process *exec.Cmd
	gone    chan struct{} // closed when the process has ended
	console chan string   // its lines, until the last process lets go of it
	seen    []string      // lines taken from it
	// patience is how long it may have nothing to say that a test waits for.
	patience time.Duration
	t        testing.TB
}

// Boot starts a machine with the card in it, and words added to the kernel's
// command line. Another card, if any, is its second disk. The machine is cut when
// the test ends.
func (c *Card) Boot(words string, other ...*Card) *Machine {
	c.t.Helper()
	dir := c.t.TempDir()
	args := append(c.start(dir), "con=null", "con0=null,fd:1", "ssl=null", "uml_dir="+dir, "umid=m",
		"quiet", "systemd.show_status=0")
	for i, card := range append([]*Card{c}, other...) {
		args = append(args, fmt.Sprintf("ubd%d=%s", i, card.Path))
	}
	m := &Machine{t: c.t, console: make(chan string, 1000), gone: make(chan struct{}), patience: patience}
	if c.whole {
		m.patience = morePatience
	}
	m.process = exec.Command("linux.uml", append(args, strings.Fields(words)...)...)
	// The kernel keeps its memory in a file there, which is gone when it is.
	m.process.Env = append(os.Environ(), "TMPDIR="+memory)
	// It starts a process for each of its own: a cut must take them all.
	m.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(m.Cut)
	return m
}

// start is how the kernel finds its first program. Dir is for files of its own.
func (c *Card) start(dir string) []string {
	c.t.Helper()
	if c.whole {
		return []string{"mem=512M", "root=/dev/ubda2", "ro"}
	}
	start := filepath.Join(dir, "init")
	if err := os.WriteFile(start, []byte(shim), 0o755); err != nil {
		c.t.Fatal(err)
	}
	return []string{"mem=256M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "init=" + start}
}

// start starts the process from a thread of its own: the kernel takes the end of
// the thread for the end of the test, and kills the machine with it.
func (m *Machine) start() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	m.process.Stdout, m.process.Stderr = write, write
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := m.process.Start()
		write.Close()
		started <- err
		if err == nil {
			m.process.Wait()
		}
		close(m.gone)
	}()
	if err := <-started; err != nil {
		read.Close()
		return err
	}
	go m.listen(read)
	return nil
}

// listen passes the console on, line by line.
func (m *Machine) listen(r io.ReadCloser) {
	defer r.Close()
	defer close(m.console)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		m.console <- lines.Text()
	}
}

// Seen returns the lines that the console has shown so far, as far as a test has
// waited for them; after Cut, all of them.
func (m *Machine) Seen() []string { return m.seen }

// Until waits for a line on the console and returns what use made of it. It ends
// the test, showing the console, when the machine stops or has nothing more to
// say.
func Until[T any](m *Machine, what string, use func(line string) (T, bool)) T {
	m.t.Helper()
	late := time.After(m.patience)
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
			m.t.Fatalf("no %s after %v:\n%s", what, m.patience, strings.Join(m.seen, "\n"))
		}
	}
}

// UntilSays waits for a line that has text in it.
func (m *Machine) UntilSays(text string) string {
	m.t.Helper()
	return Until(m, text, func(line string) (string, bool) { return line, strings.Contains(line, text) })
}

// Freeze copies the card of a running machine as a cut at this moment would leave it.
// The machine stands still meanwhile, and then goes on.
func (m *Machine) Freeze(c *Card) *Card {
	m.t.Helper()
	kernel := m.kernel()
	defer func() {
		for _, pid := range kernel {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	}()
	for _, pid := range kernel {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			m.t.Fatal(err)
		}
	}
	return c.Copy(m.t)
}

// kernel lists the processes that are the machine's kernel: one of them writes to the
// card. Its own processes are those that it traces; they stand still when it does, and
// must not see a signal that it has not sent.
func (m *Machine) kernel() []int {
	m.t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/status")
	if err != nil {
		m.t.Fatal(err)
	}
	var list []int
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		group, err := syscall.Getpgid(pid)
		data, _ := os.ReadFile(file)
		if err == nil && group == m.process.Process.Pid && strings.Contains(string(data), "\nTracerPid:\t0\n") {
			list = append(list, pid)
		}
	}
	if len(list) < 2 {
		m.t.Fatalf("of a machine's kernel and the process that writes to the card, only %v were found", list)
	}
	return list
}

// Cut pulls the plug: what the machine has not written to the card is lost. When
// it returns, nothing of the machine holds the card any more.
func (m *Machine) Cut() {
	select {
	case <-m.gone:
	default:
		syscall.Kill(-m.process.Process.Pid, syscall.SIGKILL)
	}
	<-m.gone
	for line := range m.console {
		m.seen = append(m.seen, line)
	}
}
