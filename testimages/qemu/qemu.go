// Package qemu boots images in QEMU, from an SD card as a Pi does.
//
// In comes an image for arm64; NewCard writes it to a card, and Boot starts a
// machine (QEMU's "virt" with an SD controller, so that the card is
// /dev/mmcblk0) with the kernel, initramfs and command line of the card's own
// boot partition. Out come the console's lines, which WaitFor watches, and
// commands' answers through SSH. PowerOff presses the power button; Kill cuts
// the power: what the guest was told is written is on the card, what was under
// way is not. The card can be booted again.
//
// It needs a kernel with drivers for that machine, which Debian's has and the
// Pi's own has not. Every instruction is emulated: a boot takes half a minute to
// a minute and a half.
package qemu

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Options are how a machine is started.
type Options struct {
	Card *Card
	// Words are added to the kernel's command line.
	Words []string
	// Network gives the machine one network card, with DHCP and SSH reachable
	// from this machine only. Without it there is none.
	Network bool
	// LAN gives the machine a network card on a LAN, and SSH is the port of 127.0.0.1
	// that leads to its SSH from there. It is in place of Network.
	LAN *LAN
	SSH int
	// Processors of the machine; 0 means two.
	Processors int
	// Console gets a copy of all that the machine prints; nil means no copy.
	Console io.Writer
	// Keyboard is what is typed on the console; nil means nothing.
	Keyboard io.Reader
}

// Machine is a running machine.
type Machine struct {
	console *console
	process *exec.Cmd
	dir     string        // kernel, sockets; removed when the machine stops
	port    int           // on this machine's loopback, leading to the guest's SSH
	stopped chan struct{} // closed when QEMU has ended and dir is gone
}

// memory of the machine, MiB: that of the smallest Pi with 64 bits that gluster
// is comfortable on.
const memory = "1024"

// Boot starts a machine. It lives until PowerOff, Kill or the end of ctx.
func Boot(ctx context.Context, o Options) (*Machine, error) {
	dir, err := os.MkdirTemp("", "berry-qemu-")
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir, console: newConsole(o.Console), stopped: make(chan struct{})}
	if err := m.start(ctx, o); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot boot %s: %w", o.Card.Path, err), os.RemoveAll(dir))
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, o Options) error {
	l, err := o.Card.firmware(ctx, m.dir)
	if err != nil {
		return err
	}
	args := []string{
		"-M", "virt", "-cpu", "cortex-a72", "-smp", strconv.Itoa(cmp.Or(o.Processors, 2)), "-m", memory, "-accel", "tcg,thread=multi",
		"-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", l.kernel, "-initrd", l.initrd, "-append", onQEMU(l.words, o.Words),
		"-device", "sdhci-pci", "-device", "sd-card,drive=card",
		"-drive", "id=card,if=none,format=raw,file=" + strings.ReplaceAll(o.Card.Path, ",", ",,"),
		"-device", "virtio-rng-pci",
		"-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
		"-qmp", "unix:" + m.socket() + ",server=on,wait=off",
	}
	m.port = o.SSH
	switch {
	case o.LAN != nil:
		args = append(args, "-device", "virtio-net-pci,netdev=lan,romfile=,mac="+o.LAN.newMAC(), "-netdev", o.LAN.wire("lan"))
	case o.Network:
		if m.port, err = freePort(); err != nil {
			return err
		}
		args = append(args, "-device", "virtio-net-pci,netdev=lan,romfile=",
			"-netdev", fmt.Sprintf("user,id=lan,hostfwd=tcp:127.0.0.1:%d-:22", m.port))
	}
	m.process = exec.CommandContext(ctx, "qemu-system-aarch64", args...)
	if o.Keyboard != nil {
		// Through a pipe even where it is a terminal: QEMU shall not set it up.
		m.process.Stdin = struct{ io.Reader }{o.Keyboard}
	}
	m.process.Stdout, m.process.Stderr = m.console, m.console
	m.process.WaitDelay = time.Second
	// A Ctrl-C is for us: how the machine ends is not the terminal's business. But
	// no machine outlives us.
	m.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.process.Start(); err != nil {
		return err
	}
	go m.reap()
	go m.rouse()
	return nil
}

// rouse has QEMU's threads look anew whether there is something to do. Before glibc 2.41
// one can sleep through the signal that was to wake it (glibc's bug 25847): on a busy
// machine that happened to a processor of the guest, and the guest stood still for good.
// A process that was stopped goes on with another look.
func (m *Machine) rouse() {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-m.stopped:
			return
		case <-tick.C:
			// An error is that QEMU has ended.
			_ = m.process.Process.Signal(syscall.SIGSTOP)
			_ = m.process.Process.Signal(syscall.SIGCONT)
		}
	}
}

// reap waits for QEMU's end and tells everybody.
func (m *Machine) reap() {
	m.process.Wait() // how it ended is told by the console
	os.RemoveAll(m.dir)
	m.console.close()
	close(m.stopped)
}

// SSHPort is the port of 127.0.0.1 that leads to the machine's SSH; 0 where it
// has no network.
func (m *Machine) SSHPort() int { return m.port }

func (m *Machine) socket() string { return filepath.Join(m.dir, "qmp") }

// freePort finds a TCP port that nobody uses just now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
