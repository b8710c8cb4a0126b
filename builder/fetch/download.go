package fetch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"strings"
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

// exchange is one request and its answer; alive is called when bytes arrive.
func (d *download) exchange(ctx context.Context, alive func()) error {
	req, err := d.request(ctx)
	if err != nil {
		return err
	}
	resp, err := d.c.http(d.secure).Do(req)
	if err != nil {
		return networkError(err)
	}
	defer resp.Body.Close()
	alive()
	if err := d.accept(resp); err != nil || d.unchanged {
		return err
	}
	total := int64(0)
	if resp.ContentLength > 0 {
		total = d.have + resp.ContentLength
	}
	if err := d.expect(total); err != nil {
		return err
	}
	return d.receive(resp.Body, alive)
}

// request asks for the bytes that are missing, of the version that the others
// are of, or for the whole file if it is another version than the known one.
func (d *download) request(ctx context.Context) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "berry")
	req.Header.Set("Accept-Encoding", "identity") // or ranges and checksums would be of something else
	if d.known.ETag != "" {
		req.Header.Set("If-None-Match", d.known.ETag)
	} else if d.known.LastModified != "" {
		req.Header.Set("If-Modified-Since", d.known.LastModified)
	}
	if d.have == 0 {
		return req, nil
	}
	validator := ""
	if d.version.URL == d.URL {
		validator = d.version.validator()
	}
	if validator == "" && d.SHA256 == "" {
		return req, d.restart() // no way to tell whether the rest would fit
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-", d.have))
	if validator != "" {
		req.Header.Set("If-Range", validator)
	}
	return req, nil
}

// validator is what If-Range can be asked with: a weak ETag cannot.
func (v version) validator() string {
	if v.ETag != "" && !strings.HasPrefix(v.ETag, "W/") {
		return v.ETag
	}
	return v.LastModified
}

// accept makes the .part file ready for what the server is about to send.
func (d *download) accept(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if err := d.restart(); err != nil {
			return err
		}
	case http.StatusPartialContent:
		if !strings.HasPrefix(resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-", d.have)) {
			return errors.Join(errWrongRange, d.restart())
		}
		d.resumed = true
		if d.version.URL == d.URL {
			return nil // a partial answer may leave out what the first one said of the version
		}
	case http.StatusRequestedRangeNotSatisfiable:
		return errors.Join(errWrongRange, d.restart())
	case http.StatusNotModified:
		d.unchanged = d.known.SHA256 != ""
		if d.unchanged {
			return nil
		}
		fallthrough
	default:
		return &StatusError{URL: redacted(d.URL), Code: resp.StatusCode, Status: resp.Status}
	}
	d.version = version{URL: d.URL, ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
	return d.keepVersion()
}

// keepVersion writes down what a later run needs to resume. It is not synced:
// lost or torn, it costs that run a download from the start.
func (d *download) keepVersion() error {
	b, err := json.Marshal(d.version)
	if err != nil {
		return err
	}
	return d.c.roomError(os.WriteFile(d.file.Name()+".json", b, 0o644))
}

// expect checks the size the server announced (0: none) against the one asked
// for and against the room there is, and begins to show progress.
func (d *download) expect(total int64) error {
	if d.Size > 0 && total > 0 && total != d.Size {
		return fmt.Errorf("it is %d bytes long there, not %d", total, d.Size)
	}
	if total == 0 {
		total = d.Size
	}
	if err := d.tooLong(total); err != nil {
		return err
	}
	if d.task == nil { // of the bytes to come, so that the rate is the network's
		d.task = d.c.start(d.Label, max(total-d.have, 0))
	}
	return d.c.room(total - d.have)
}

func (d *download) tooLong(n int64) error {
	if d.Size > 0 && n > d.Size {
		return fmt.Errorf("it is longer than the %d bytes expected", d.Size)
	}
	if d.max > 0 && n > d.max {
		return fmt.Errorf("it is longer than the %d bytes that make sense", d.max)
	}
	return nil
}

// receive appends body to the .part file.
func (d *download) receive(body io.Reader, alive func()) error {
	buf := make([]byte, 256<<10)
	for {
		n, readErr := body.Read(buf)
		if n > 0 {
			alive()
			if err := d.append(buf[:n]); err != nil {
				return err
			}
		}
		if readErr == io.EOF {
			return nil
		}
		if readErr != nil {
			return networkError(readErr)
		}
	}
}

func (d *download) append(b []byte) error {
	if err := d.tooLong(d.have + int64(len(b))); err != nil {
		return errors.Join(err, d.restart())
	}
	n, err := d.file.Write(b)
	d.sum.Write(b[:n])
	d.have += int64(n)
	d.task.Add(int64(n))
	return d.c.roomError(err)
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
