package fetch

import (
	"context"
	"os"
	"path/filepath"
)

// pinned gets a file whose SHA-256 is known.
func (c *Client) pinned(ctx context.Context, w wanted) (string, error) {
	final := c.content(w.SHA256)
	if holds(final, w.Size) {
		return final, nil
	}
	f, err := c.Lock(ctx, final+".part", w.Label)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if holds(final, w.Size) { // by whoever held the lock
		return final, remove(f.Name())
	}
	d := &download{c: c, wanted: w, file: f}
	defer d.close()
	if err := d.run(ctx); err != nil {
		return "", err
	}
	return d.finish()
}

// revalidate gets a file whose SHA-256 is not known: the server is asked for
// it unless it is what the cache has.
func (c *Client) revalidate(ctx context.Context, w wanted) (string, error) {
	stem := c.byURL(w.URL)
	f, err := c.Lock(ctx, stem+".part", w.Label)
	if err != nil {
		return "", err
	}
	defer f.Close()
	d := &download{c: c, wanted: w, file: f}
	defer d.close()
	if known, ok := c.known(w.URL); ok {
		d.known = known
	}
	if err := d.run(ctx); err != nil {
		return "", err
	}
	if d.unchanged {
		return c.content(d.known.SHA256), remove(f.Name(), f.Name()+".json")
	}
	v := d.version
	v.SHA256 = d.digest()
	if err := writeJSON(stem+".json", v); err != nil {
		return "", c.roomError(err)
	}
	return d.finish() // last, as the lock ends with it
}

// known is the version of a URL's file that the cache holds, if it holds one.
func (c *Client) known(url string) (version, bool) {
	var v version
	readJSON(c.byURL(url)+".json", &v)
	ok := v.Key == urlKey(url) && isSHA256(v.SHA256) && holds(c.content(v.SHA256), 0)
	return v, ok
}

// finish gives the whole, checked .part file its final name.
func (d *download) finish() (string, error) {
	final := d.c.content(d.digest())
	dir := filepath.Dir(final)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	if err := d.file.Sync(); err != nil {
		return "", d.c.roomError(err)
	}
	if err := remove(d.file.Name() + ".json"); err != nil {
		return "", err
	}
	return final, seal(d.file, final)
}
