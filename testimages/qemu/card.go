package qemu

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"berries/firstboot/host"
)

// Card is an SD card with an image written to it. It keeps what a machine writes
// from one boot to the next.
type Card struct {
	Path string // the card's bytes: a raw, sparse file
	run  host.Runner
}

// bootOffset is where the boot partition of a Raspberry Pi OS image starts, in
// bytes.
const bootOffset = 16384 * 512

// NewCard makes a card of size bytes in the folder dir and writes the image to
// its start; the image itself is not touched. QEMU's cards, like most real ones,
// have a power of two as their size.
//
// The card is a raw file and not an overlay: a killed QEMU loses what an
// overlay's tables had not yet written, although the guest was told that it was
// on the card.
func NewCard(ctx context.Context, image, dir string, size int64) (*Card, error) {
	st, err := os.Stat(image)
	if err != nil {
		return nil, err
	}
	if bits.OnesCount64(uint64(size)) != 1 {
		return nil, fmt.Errorf("a card cannot have %d bytes: QEMU wants a power of two", size)
	}
	if st.Size() > size {
		return nil, fmt.Errorf("cannot write %s to a card of %d MiB: it has %d MiB", image, size>>20, st.Size()>>20)
	}
	c := &Card{Path: filepath.Join(dir, "card.img"), run: host.Exec{}}
	if _, err := c.run.Run(ctx, host.Command("cp", "--sparse=always", "--reflink=auto", image, c.Path)); err != nil {
		return nil, errors.Join(err, os.RemoveAll(c.Path))
	}
	return c, os.Truncate(c.Path, size)
}

// CardSize is the smallest card that an image of size bytes leaves at least as
// much room on as it takes.
func CardSize(size int64) int64 { return 1 << bits.Len64(uint64(2*size-1)) }

// loaded is what a Pi's firmware takes from the boot partition.
type loaded struct {
	kernel, initrd string   // files
	words          []string // of the command line
}

// firmware does the firmware's part: it copies the kernel and the initramfs to
// the folder dir and reads cmdline.txt.
func (c *Card) firmware(ctx context.Context, dir string) (loaded, error) {
	l := loaded{kernel: filepath.Join(dir, "kernel8.img"), initrd: filepath.Join(dir, "initramfs8")}
	for _, name := range []string{"kernel8.img", "initramfs8", "cmdline.txt"} {
		cmd := host.Command("mcopy", "-n", "-o", "-i", fmt.Sprintf("%s@@%d", c.Path, bootOffset), "::"+name, dir)
		cmd.Env = []string{"MTOOLS_SKIP_CHECK=1"}
		if _, err := c.run.Run(ctx, cmd); err != nil {
			return loaded{}, fmt.Errorf("cannot read %s on the boot partition: %w", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "cmdline.txt"))
	l.words = strings.Fields(string(text))
	return l, err
}

// onQEMU turns a Pi's command line into one for QEMU's machine: its serial
// console instead of the Pi's, no screen, and nothing that only costs time where
// every instruction is emulated. The root partition stays the image's own word.
func onQEMU(words, more []string) string {
	line := []string{"console=ttyAMA0,115200", "TERM=dumb", "mitigations=off", "audit=0", "apparmor=0",
		"systemd.condition_needs_update=false"}
	for _, w := range words {
		if !strings.HasPrefix(w, "console=") && w != "quiet" {
			line = append(line, w)
		}
	}
	return strings.Join(append(line, more...), " ")
}
