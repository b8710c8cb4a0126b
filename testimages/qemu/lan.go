package qemu

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
)

// LAN is an Ethernet that machines share. It is a switch in this process, so it needs no
// root. It is gone when it is closed.
//
// A hub would not do: QEMU's router takes every frame that it gets for its own, whatever
// its address, and refuses connections from one machine to another.
type LAN struct {
	listener net.Listener
	router   *exec.Cmd
	mu       sync.Mutex
	wires    map[net.Conn]chan []byte // and the frames on their way into each
	behind   map[mac]net.Conn         // the wire from which an address was heard last
	macs     int
}

// mac is an Ethernet address.
type mac [6]byte

// queued is how many frames wait for a machine. One that takes none, as before its system
// drives its network card, loses those that follow, as on any Ethernet: it must not keep
// the others waiting.
const queued = 1000

// NewLAN makes a LAN whose socket lies in the folder dir.
func NewLAN(dir string) (*LAN, error) {
	l, err := net.Listen("unix", filepath.Join(dir, "lan"))
	if err != nil {
		return nil, err
	}
	lan := &LAN{listener: l, wires: map[net.Conn]chan []byte{}, behind: map[mac]net.Conn{}}
	go lan.accept()
	return lan, nil
}

// Close takes the LAN down, and its router.
func (l *LAN) Close() error {
	err := l.listener.Close()
	if l.router != nil {
		l.router.Process.Kill() // an error means that it is gone already
		l.router.Wait()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for wire := range l.wires {
		err = errors.Join(err, wire.Close())
	}
	return err
}

func (l *LAN) accept() {
	for {
		wire, err := l.listener.Accept()
		if err != nil {
			return // closed
		}
		frames := make(chan []byte, queued)
		l.mu.Lock()
		l.wires[wire] = frames
		l.mu.Unlock()
		go l.carry(wire)
		go func() {
			for frame := range frames {
				wire.Write(frame) // a machine that is going off loses it
			}
		}()
	}
}

// carry takes frames from one wire to the one that they are for, or to all others where
// that is not known, until its machine is off. Each has its length before it (QEMU's
// net/stream.c).
func (l *LAN) carry(from net.Conn) {
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		close(l.wires[from])
		delete(l.wires, from)
		from.Close()
	}()
	const head, largest = 14, 64 << 10
	for {
		length := make([]byte, 4)
		if _, err := io.ReadFull(from, length); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(length)
		if n < head || n > largest {
			return
		}
		frame := append(length, make([]byte, n)...)
		if _, err := io.ReadFull(from, frame[4:]); err != nil {
			return
		}
		l.pass(from, frame, mac(frame[4:10]), mac(frame[10:16]))
	}
}

// pass queues a frame for the wires that it goes to.
func (l *LAN) pass(from net.Conn, frame []byte, to, by mac) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.behind[by] = from
	only, known := l.behind[to]
	for wire, frames := range l.wires {
		if wire == from || known && wire != only {
			continue
		}
		select {
		case frames <- frame:
		default: // lost
		}
	}
}

// wire is the end of QEMU's netdev with that id in the LAN.
func (l *LAN) wire(id string) string {
	return fmt.Sprintf("stream,id=%s,server=off,addr.type=unix,addr.path=%s", id, l.listener.Addr())
}

// newMAC gives another address to each network card.
func (l *LAN) newMAC() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.macs++
	return fmt.Sprintf("52:54:00:be:44:%02x", l.macs)
}

// StartRouter puts a router on the LAN, at the first address of the network: it has
// DHCP, lets nobody out, and forwards a port of this machine's loopback to each of the
// destinations. The ports are in the order of those.
func (l *LAN) StartRouter(ctx context.Context, network netip.Prefix, to ...netip.AddrPort) ([]int, error) {
	user := fmt.Sprintf("user,id=out,restrict=on,net=%s,host=%s", network.Masked(), network.Masked().Addr().Next())
	var ports []int
	for _, dest := range to {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
		user += fmt.Sprintf(",hostfwd=tcp:127.0.0.1:%d-%s:%d", port, dest.Addr(), dest.Port())
	}
	l.router = exec.CommandContext(ctx, "qemu-system-aarch64", "-M", "none", "-nodefaults", "-display", "none",
		"-netdev", user, "-netdev", "hubport,id=out-port,hubid=0,netdev=out",
		"-netdev", l.wire("lan"), "-netdev", "hubport,id=lan-port,hubid=0,netdev=lan")
	l.router.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return ports, l.router.Start()
}
