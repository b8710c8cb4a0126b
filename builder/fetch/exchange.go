package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
)

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
	if d.version.Key == urlKey(d.URL) {
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
		if d.version.Key == urlKey(d.URL) {
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
	d.version = version{Key: urlKey(d.URL), ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")}
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
