package status

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	"berries/firstboot/host"
)

// bootEvery is how soon the file on the boot partition follows what is not urgent. Cards
// wear out, and what a node waits for may change every few seconds.
const bootEvery = time.Minute

// BootFile keeps berry-status.txt on the boot partition. It writes only what is news: a
// node that fails in the same way every 15 seconds writes once.
type BootFile struct {
	h         *host.Host
	addresses func() []netip.Addr
	complain  func(error)
	urgent    chan struct{}
	said      bool // that it cannot be written

	mu   sync.Mutex // held for no longer than a look: a card may be slow
	text BootText   // "" in Words: nothing is known yet
}

// NewBootFile keeps the file of a node that has these addresses. What goes wrong is told
// to complain, once.
func NewBootFile(h *host.Host, addresses func() []netip.Addr, complain func(error)) *BootFile {
	return &BootFile{h: h, addresses: addresses, complain: complain, urgent: make(chan struct{}, 1)}
}

// Tell says where the node stands.
func (b *BootFile) Tell(text BootText) {
	b.mu.Lock()
	b.text = text
	b.mu.Unlock()
	if text.Urgent {
		select {
		case b.urgent <- struct{}{}:
		default:
		}
	}
}

// Run keeps the file until the context ends. On a machine without such a partition it
// does nothing.
func (b *BootFile) Run(ctx context.Context) {
	if !b.there() {
		return
	}
	if before, err := b.h.Files.Read(BootPath); err != nil || !strings.Contains(string(before), since) {
		b.Write() // no run has written it before
	}
	for ended := false; !ended; {
		b.pause(ctx)
		ended = ctx.Err() != nil // after which nothing is told any more
		b.Write()
	}
}

// pause ends when something urgent is told, or after a while.
func (b *BootFile) pause(ctx context.Context) {
	ctx, wake := context.WithCancel(ctx)
	defer wake()
	go func() {
		select {
		case <-b.urgent:
			wake()
		case <-ctx.Done():
		}
	}()
	b.h.Clock.Sleep(ctx, bootEvery) // however it ends
}

// there tells whether the boot partition is mounted, and may be written. A person may
// have it read-only.
func (b *BootFile) there() bool {
	m, found, err := b.h.MountAt(bootDir)
	return err == nil && found && m.Type == "vfat" && !m.ReadOnly
}

// Write writes what has been told, where that is news. It is for one caller at a time.
func (b *BootFile) Write() {
	b.mu.Lock()
	text := b.text
	b.mu.Unlock()
	if text.Words == "" || !b.there() {
		return
	}
	text.Addresses = b.addresses()
	before, err := b.h.Files.Read(BootPath) // where it cannot be read, it is written
	if err == nil && text.says(string(before)) {
		return
	}
	if err := b.h.Files.Overwrite(BootPath, text.file(b.h.Clock.Now())); err != nil && !b.said {
		b.said = true
		b.complain(err)
	}
}
