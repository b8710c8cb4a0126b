package card

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"berries/builder/disk"
	"berries/builder/progress"
)

const (
	sector = 512 // bytes; what a partition table counts in
	// start is how much of a card is written last. Whatever makes a card boot, or a
	// partition table or filesystem known, begins in it.
	start = 1 << 20
)

// Card is a device that is open for writing, and for nobody else.
type Card struct {
	Device
	disk target
}

// target is an open device.
type target interface {
	io.WriterAt
	io.ReaderAt // from the device itself, as soon as Flush was called
	// Flush returns when all that was written is on the device.
	Flush() error
	// Rescan has the kernel read the partition table.
	Rescan() error
	Close() error
}

// Unfinished is a card on which writing was begun and did not end.
type Unfinished struct {
	Path  string
	cause error
}

func (u *Unfinished) Error() string {
	return fmt.Sprintf("%s is not finished, and does not boot: %v", u.Path, u.cause)
}

func (u *Unfinished) Unwrap() error { return u.cause }

// Close gives the card back to the others.
func (c *Card) Close() error { return c.disk.Close() }

// Write brings an image onto the card and reads it back. After an error of type
// Unfinished, and whenever it was cut short, the card does not boot: neither from
// the new image, nor from what was on it before.
func (c *Card) Write(ctx context.Context, img *Image, show progress.Sink) error {
	file, done, err := img.content(ctx)
	if err != nil {
		return err
	}
	defer done()
	head := aligned(int(min(start, img.Size)))
	if _, err := file.ReadAt(head, 0); err != nil {
		return err
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := c.write(ctx, img, file, head, show); err != nil {
		return &Unfinished{c.Path, err}
	}
	return nil
}

// write is the order in which things get onto the card.
func (c *Card) write(ctx context.Context, img *Image, file io.ReaderAt, head []byte, show progress.Sink) error {
	if err := c.wipe(); err != nil {
		return err
	}
	if err := c.copy(ctx, img, file, head, show); err != nil {
		return err
	}
	if err := c.compare(ctx, img, head, show); err != nil {
		return err
	}
	// From here on it is a matter of moments, and nobody is asked any more.
	if err := c.finish(head); err != nil {
		return errors.Join(err, c.wipeStart())
	}
	return nil
}

// wipe makes the old content unknown: its start, and its end, where a GPT has its
// copy and RAID its mark. The start goes first: without it nothing of the card boots,
// with it and without the end something might.
func (c *Card) wipe() error {
	if err := c.wipeStart(); err != nil {
		return err
	}
	if c.Size >= 2*start {
		if _, err := c.disk.WriteAt(aligned(start), c.Size-start); err != nil {
			return fmt.Errorf("cannot clear the end of the card: %w", err)
		}
	}
	return c.disk.Rescan() // or the old partitions could still be mounted
}

func (c *Card) wipeStart() error {
	_, err := c.disk.WriteAt(aligned(int(min(start, c.Size))), 0)
	if err := errors.Join(err, c.disk.Flush()); err != nil {
		return fmt.Errorf("cannot clear the start of the card: %w", err)
	}
	return nil
}

// copy writes and flushes all but the head, and checks the image on the way.
func (c *Card) copy(ctx context.Context, img *Image, file io.ReaderAt, head []byte, show progress.Sink) error {
	task := show.Start("write "+img.Name+" to "+c.Path, img.Mapped())
	defer task.Done()
	err := stream{from: file, head: head, bmap: img.bmap, write: c.disk, task: task, differs: func(r disk.BmapRange) error {
		return bad("%s is damaged: blocks %d to %d are not what its block map says", img.Path, r.First, r.Last)
	}}.run(ctx)
	if err != nil {
		return err
	}
	return c.disk.Flush()
}

// compare reads back all but the head.
func (c *Card) compare(ctx context.Context, img *Image, head []byte, show progress.Sink) error {
	task := show.Start("read back "+c.Path, img.Mapped())
	defer task.Done()
	return stream{from: c.disk, head: head, bmap: img.bmap, task: task, differs: func(r disk.BmapRange) error {
		return lies(fmt.Sprintf("blocks %d to %d", r.First, r.Last))
	}}.run(ctx)
}

func lies(what string) error {
	return &Refusal{what + " do not hold what was written: the card is worn out, or smaller than it says", "use another card, or another reader"}
}

// finish writes the head, its first sector last: a sector gets onto a card whole or
// not at all.
func (c *Card) finish(head []byte) error {
	for _, part := range []disk.Range{{Start: sector, End: int64(len(head))}, {Start: 0, End: sector}} {
		// Direct writes need aligned memory, which head[sector:] is not.
		data := aligned(int(part.Len()))
		copy(data, head[part.Start:part.End])
		if len(data) == 0 {
			continue
		}
		if _, err := c.disk.WriteAt(data, part.Start); err != nil {
			return fmt.Errorf("cannot write the start of the card: %w", err)
		}
		if err := c.disk.Flush(); err != nil {
			return err
		}
	}
	have := aligned(len(head))
	if n, err := c.disk.ReadAt(have, 0); n < len(have) {
		return fmt.Errorf("cannot read back the start of the card: %w", err)
	}
	if !bytes.Equal(have, head) {
		return lies("the first blocks")
	}
	_ = c.disk.Rescan() // the card is whole, whatever is made of it here
	return nil
}
