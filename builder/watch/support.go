package watch

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"berries/firstboot/redact"
	"berries/firstboot/support"
)

// Bounds of what a node sends for a bundle.
const (
	bundleLimit  = 3 * time.Minute
	maxFiles     = 1000
	maxBundle    = 256 << 20 // bytes, unpacked
	maxBundleZip = 64 << 20
)

// File is a file of a bundle.
type File struct {
	Name string
	Data []byte
}

// Collected is what a node has sent for a bundle, or why it has not.
type Collected struct {
	Node  string
	Files []File // their names begin with the node's
	Err   error
}

// Collect gets the bundles of nodes, all at once, and takes out of them what the redactor
// knows; the nodes have done so with what they know. Told is called when each is there.
func (c *Client) Collect(ctx context.Context, nodes []string, secrets *redact.Redactor, told func(Collected)) []Collected {
	all := make([]Collected, len(nodes))
	var asking sync.WaitGroup
	var one sync.Mutex
	for i, name := range nodes {
		asking.Go(func() {
			files, err := c.bundle(ctx, name)
			one.Lock()
			defer one.Unlock()
			for i := range files {
				files[i].Data = secrets.Clean(files[i].Data)
			}
			all[i] = Collected{name, files, err}
			told(all[i])
		})
	}
	asking.Wait()
	return all
}

// bundle gets and unpacks the bundle of a node.
func (c *Client) bundle(ctx context.Context, name string) ([]File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, bundleLimit, fmt.Errorf("no bundle within %v", bundleLimit))
	defer cancel()
	body, err := c.Get(ctx, name, support.BundlePath)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	files, err := unpack(io.LimitReader(body, maxBundleZip), name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the bundle of %s: %w", name, because(ctx, err))
	}
	return files, nil
}

// unpack reads a bundle, whose files get the node's name in front.
func unpack(r io.Reader, node string) ([]File, error) {
	plain, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	var files []File
	in, left := tar.NewReader(plain), int64(maxBundle)
	for {
		head, err := in.Next()
		if err == io.EOF {
			return files, nil
		}
		if err != nil {
			return nil, err
		}
		left -= head.Size
		switch {
		case head.Typeflag != tar.TypeReg || !inside(head.Name):
			return nil, fmt.Errorf("it holds %.80q, which is no file of a bundle", head.Name)
		case len(files) == maxFiles || left < 0:
			return nil, errors.New("it is too large")
		}
		data, err := io.ReadAll(in)
		if err != nil {
			return nil, err
		}
		files = append(files, File{node + "/" + head.Name, data})
	}
}

// inside tells whether a name leads nowhere else when somebody unpacks it.
func inside(name string) bool {
	return name != "" && path.Clean("/"+name) == "/"+name && !strings.ContainsAny(name, "\\\x00")
}

// Pack writes files as a tar.gz, below a folder.
func Pack(w io.Writer, folder string, files []File, now time.Time) error {
	packed := gzip.NewWriter(w)
	out := tar.NewWriter(packed)
	for _, f := range files {
		head := &tar.Header{Name: folder + "/" + f.Name, Mode: 0o600, Size: int64(len(f.Data)), ModTime: now}
		if err := out.WriteHeader(head); err != nil {
			return err
		}
		if _, err := out.Write(f.Data); err != nil {
			return err
		}
	}
	return errors.Join(out.Close(), packed.Close())
}
