// Command boot boots an image for arm64 in QEMU, with its serial console on this
// terminal.
//
//	go run ./testimages/boot out/cluster01.img
//
// The image is copied to a card, so it stays as it is; the card is twice as
// large at least, and is thrown away at the end. What is typed goes to the
// machine. Ctrl-C presses the power button; a second one cuts the power.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"berries/testimages/qemu"
)

func main() {
	flag.Usage = func() { fmt.Fprintln(os.Stderr, "usage: boot [-size MIB] IMAGE") }
	size := flag.Int64("size", 0, "size of the card in `MiB`, a power of two")
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := boot(flag.Arg(0), *size<<20); err != nil {
		fmt.Fprintln(os.Stderr, "boot:", err)
		os.Exit(1)
	}
}

// boot boots image from a card of size bytes (0: twice the image's) until the
// machine powers off.
func boot(image string, size int64) error {
	dir, err := os.MkdirTemp("", "berry-card-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	st, err := os.Stat(image)
	if err != nil {
		return err
	}
	if size == 0 {
		size = qemu.CardSize(st.Size())
	}
	ctx := context.Background()
	card, err := qemu.NewCard(ctx, image, dir, size)
	if err != nil {
		return err
	}
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt)
	m, err := qemu.Boot(ctx, qemu.Options{Card: card, Network: true, Console: os.Stdout, Keyboard: os.Stdin})
	if err != nil {
		return err
	}
	fmt.Printf("SSH: ssh -p %d pi@127.0.0.1\n", m.SSHPort())
	return watch(ctx, m, interrupts)
}

// watch waits for the machine's end, hastened by interrupts.
func watch(ctx context.Context, m *qemu.Machine, interrupts <-chan os.Signal) error {
	ctx, cancel := context.WithCancelCause(ctx)
	cut := errors.New("power cut")
	go func() {
		<-interrupts
		go m.PowerOff(ctx) // its end is seen below
		<-interrupts
		cancel(cut)
	}()
	err := m.Wait(ctx)
	if errors.Is(err, cut) {
		m.Kill()
		return nil
	}
	return err
}
