package fetch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"

	"berries/firstboot/host"
)

// Source says which image to start from. Exactly one of Name, URL and File is
// set.
type Source struct {
	Name   string // in the catalogue, see Find
	URL    string // http or https
	File   string // path
	SHA256 string // of the file as named, compressed or not; "" when it is not known
	// ImageSHA256 is that of the raw image; "" when it is not known.
	ImageSHA256 string
}

// Base is a raw image ready to be copied.
type Base struct {
	Path         string // the raw image; read-only, not to be changed
	SHA256       string // of the raw image
	SourceSHA256 string // of the file it was unpacked from, or of itself
	Source       string // path of that file; "" when it is not there any more
	Origin       string // the URL or absolute path it came from
	Name         string // dated name in the catalogue; "" when it came from elsewhere
	ReleaseDate  string // YYYY-MM-DD; "" when nothing tells it
}

// asked is a Source and what is known of it in advance.
type asked struct {
	Source
	imageSHA256 string // of the raw image; "" when not known
	imageSize   int64  // bytes of the raw image; 0 when not known
	size        int64  // bytes of the file at URL; 0 when not known
	base        Base   // what to say of the result
}

// Base returns the raw image of a source, downloading and unpacking it where
// the cache does not have it yet. What the file is, its first bytes say, not
// its name: a raw image, or one in xz, zstd or zip.
//
// Every checksum that is known is checked: the Source's own, those of the
// catalogue, and the one in the file URL.sha256, which Raspberry Pi publishes
// beside every image. A URL on plain http needs a SHA256. A raw image given as
// File is used where it lies; it is read once, and after that known by its
// path, size, inode and times.
func (c *Client) Base(ctx context.Context, s Source) (Base, error) {
	a := asked{Source: s, imageSHA256: strings.ToLower(s.ImageSHA256)}
	a.SHA256 = strings.ToLower(s.SHA256)
	for _, sum := range []string{a.SHA256, a.imageSHA256} {
		if sum != "" && !isSHA256(sum) {
			return Base{}, fmt.Errorf("cannot use the base's sha256 %q: want 64 hex digits", sum)
		}
	}
	switch {
	case s.Name != "" && s.URL == "" && s.File == "":
		return c.baseByName(ctx, a)
	case s.Name == "" && s.URL != "" && s.File == "":
		return c.baseByURL(ctx, a)
	case s.Name == "" && s.URL == "" && s.File != "":
		return c.baseByFile(ctx, a)
	}
	return Base{}, errors.New("cannot tell which base to use: give one of a name, a URL and a file")
}

func (c *Client) baseByName(ctx context.Context, a asked) (Base, error) {
	e, err := c.Find(ctx, a.Name)
	if err != nil {
		return Base{}, err
	}
	known := strings.ToLower(e.DownloadSHA256)
	if known == "" && a.SHA256 != "" { // official entries say none; without a network, the pin alone will do
		known, _ = c.sidecar(ctx, e.URL)
	}
	if a.SHA256 != "" && known != "" && a.SHA256 != known {
		wrong := &ChecksumError{What: e.Dated, Got: known, Want: a.SHA256}
		return Base{}, fmt.Errorf("the catalogue's %s is not the pinned one; pin its date too, or give the url of the older one: %w", a.Name, wrong)
	}
	if a.SHA256 == "" {
		a.SHA256 = known
	}
	a.URL, a.size = e.URL, e.DownloadSize
	if a.imageSHA256 == "" {
		a.imageSHA256 = strings.ToLower(e.ExtractSHA256)
	}
	a.imageSize = e.ExtractSize
	a.base = Base{Name: e.Dated, ReleaseDate: e.ReleaseDate}
	return c.baseByURL(ctx, a)
}

func (c *Client) baseByURL(ctx context.Context, a asked) (Base, error) {
	a.base.Origin = redacted(a.URL)
	if a.SHA256 == "" && a.imageSHA256 == "" && !vouched(a.URL) {
		return Base{}, fmt.Errorf("cannot use %s as the base: %w", redacted(a.URL), errPlain)
	}
	if a.SHA256 == "" {
		var err error
		if a.SHA256, err = c.sidecar(ctx, a.URL); err != nil {
			return Base{}, err
		}
	}
	if a.SHA256 != "" && holds(c.content(a.SHA256), 0) {
		a.base.Source = c.content(a.SHA256)
	}
	if base, ok, err := c.unpacked(a); ok || err != nil {
		return base, err
	}
	file, err := c.download(ctx, a)
	if err != nil {
		return Base{}, fmt.Errorf("cannot download %s: %w", redacted(a.URL), err)
	}
	a.SHA256 = filepath.Base(file)
	base, err := c.unpack(ctx, file, a)
	if isBad(err) && ctx.Err() == nil {
		err = errors.Join(err, remove(file)) // to be downloaded again
	}
	return base, err
}

// isBad tells whether err is the fault of the bytes that were downloaded.
func isBad(err error) bool {
	var wrong *ChecksumError
	var broken corrupt
	var xz *host.CommandError
	if errors.As(err, &xz) && xz.ExitCode != 1 { // it was killed, or never ran
		return false
	}
	return errors.As(err, &wrong) || errors.As(err, &broken)
}

// download gets the file at a's URL, named by its checksum.
func (c *Client) download(ctx context.Context, a asked) (string, error) {
	w := wanted{Request: Request{URL: a.URL, SHA256: a.SHA256, Size: a.size, Label: "download " + fileName(a.URL)}}
	if a.SHA256 == "" && a.imageSHA256 == "" {
		return c.latest(ctx, w)
	}
	return c.get(ctx, w)
}

func (c *Client) baseByFile(ctx context.Context, a asked) (Base, error) {
	file, err := filepath.Abs(a.File)
	if err != nil {
		return Base{}, err
	}
	if err := regular(file); err != nil {
		return Base{}, fmt.Errorf("cannot use %s as the base: %w", a.File, err)
	}
	sum, err := c.sumOf(ctx, file)
	if err != nil {
		return Base{}, fmt.Errorf("cannot read %s: %w", a.File, err)
	}
	if a.SHA256 != "" && a.SHA256 != sum {
		return Base{}, &ChecksumError{What: a.File, Got: sum, Want: a.SHA256}
	}
	a.SHA256, a.base.Origin = sum, file
	return c.unpack(ctx, file, a)
}

// regular refuses what is no file with something in it.
func regular(file string) error {
	fi, err := os.Stat(file)
	var at *os.PathError
	switch {
	case errors.As(err, &at):
		return at.Err // whoever reports it names the file
	case err != nil:
		return err
	case fi.IsDir():
		return errors.New("it is a directory; name the image in it")
	case !fi.Mode().IsRegular():
		return errors.New("it is not a regular file; copy the image into one")
	case fi.Size() == 0:
		return errors.New("it is empty; download it again")
	}
	return nil
}

// fileName is the last part of a URL's path.
func fileName(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil && path.Base(u.Path) != "/" && u.Path != "" {
		return path.Base(u.Path)
	}
	return redacted(rawURL)
}
