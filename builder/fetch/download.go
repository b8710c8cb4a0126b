package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"berries/builder/progress"
)

// download is one file on its way into its .part file.
type download struct {
	c *Client
	wanted
	file    *os.File // the .part file, locked by us
	known   version  // what the cache holds, to ask "only if changed"; may be empty
	version version  // what the bytes in file are of

	have      int64         // bytes in file, all of them in sum
	sum       hash.Hash     // SHA-256 of them
	resumed   bool          // they did not all come from one answer
	unchanged bool          // the server says that known is still right
	task      progress.Task // nil until bytes are to come
}

// run downloads until the file is whole and right, or cannot be had.
func (d *download) run(ctx context.Context) error {
	if err := d.load(); err != nil {
		return err
	}
	best := d.have
	for failures := 0; ; {
		err := d.attempt(ctx)
		if err == nil && !d.unchanged {
			err = d.check()
		}
		if err == nil || ctx.Err() != nil || d.once || !transient(err) {
			return err
		}
		if d.have > best {
			best, failures = d.have, 0
		}
		if failures++; failures == maxAttempts {
			return fmt.Errorf("gave up after %d attempts: %w", failures, err)
		}
		if err := d.c.pause(ctx, failures, err); err != nil {
			return err
		}
	}
}

// load takes over what an earlier, interrupted download left.
func (d *download) load() error {
	readJSON(d.file.Name()+".json", &d.version)
	d.sum = sha256.New()
	n, err := io.Copy(d.sum, d.file)
	d.have, d.resumed = n, n > 0
	return err
}

// restart forgets the bytes that are there.
func (d *download) restart() error {
	d.endTask()
	d.have, d.resumed, d.version = 0, false, version{}
	d.sum.Reset()
	if _, err := d.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return d.file.Truncate(0)
}

// attempt asks the server once for what is missing, and takes what it sends.
func (d *download) attempt(ctx context.Context) error {
	if d.SHA256 != "" && d.SHA256 == d.digest() {
		return nil // an earlier run was stopped between the last byte and the rename
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stall := d.c.stall()
	watch := time.AfterFunc(stall, func() { cancel(tryAgain{fmt.Errorf("the server sent nothing for %s", stall)}) })
	defer watch.Stop()
	err := d.exchange(ctx, func() { watch.Reset(stall) })
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// check compares the whole file with what was asked for. A wrong file that was
// put together from several answers is worth another attempt in one piece.
func (d *download) check() error {
	if d.Size > 0 && d.have < d.Size {
		return tryAgain{fmt.Errorf("the file ended after %d of %d bytes", d.have, d.Size)}
	}
	got := d.digest()
	if d.SHA256 == "" || got == d.SHA256 {
		return nil
	}
	wrong := &ChecksumError{What: "what the server sent", Got: got, Want: d.SHA256}
	again := d.resumed
	if err := d.restart(); err != nil {
		return err
	}
	if again {
		return tryAgain{wrong}
	}
	return wrong
}

// digest is the SHA-256 of the bytes that are there.
func (d *download) digest() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// close ends what the download shows and leaves no empty .part file behind.
// The lock is still held.
func (d *download) close() {
	d.endTask()
	if d.have == 0 && isAt(d.file, d.file.Name()) {
		remove(d.file.Name(), d.file.Name()+".json")
	}
}

func (d *download) endTask() {
	if d.task != nil {
		d.task.Done()
		d.task = nil
	}
}
