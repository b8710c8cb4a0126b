package fetch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path"
	"regexp"
)

// OfficialCatalogue is Raspberry Pi's own list of images, the one that
// Raspberry Pi Imager shows. Its form is described in the Imager's
// doc/json-schema/os-list-schema.json.
const OfficialCatalogue = "https://downloads.raspberrypi.com/os_list_imagingutility_v4.json"

// The bounds of what is read as a catalogue: a broken one must not keep us busy.
const (
	maxCatalogue = 16 << 20 // bytes of one list
	maxLists     = 32       // lists fetched in all
	maxDepth     = 8        // groups within groups
)

// Entry is an image of Raspberry Pi OS in the catalogue.
type Entry struct {
	Name           string   `json:"name"`  // from the URL: "raspios-trixie-arm64-lite"
	Dated          string   `json:"dated"` // Name of this very release: "2026-09-15-raspios-trixie-arm64-lite"
	Title          string   `json:"title"` // as Imager shows it
	Description    string   `json:"description"`
	URL            string   `json:"url"`
	ReleaseDate    string   `json:"release_date"`    // YYYY-MM-DD
	ExtractSize    int64    `json:"extract_size"`    // bytes of the raw image
	ExtractSHA256  string   `json:"extract_sha256"`  // of the raw image
	DownloadSize   int64    `json:"download_size"`   // bytes of the file at URL
	DownloadSHA256 string   `json:"download_sha256"` // of the file at URL; official entries leave it empty
	Devices        []string `json:"devices"`         // Imager's tags, such as "pi5-64bit"
	Arch           string   `json:"arch"`            // Debian's word: "arm64" or "armhf"
	Suite          string   `json:"suite"`           // such as "trixie"
	InitFormat     string   `json:"init_format"`     // such as "cloudinit-rpi"; may be empty
}

// listItem is an entry or a group of the list, in the words of its schema.
type listItem struct {
	Name                string     `json:"name"`
	Description         string     `json:"description"`
	URL                 string     `json:"url"`
	ReleaseDate         string     `json:"release_date"`
	ExtractSize         int64      `json:"extract_size"`
	ExtractSHA256       string     `json:"extract_sha256"`
	ImageDownloadSize   int64      `json:"image_download_size"`
	ImageDownloadSHA256 string     `json:"image_download_sha256"`
	Devices             []string   `json:"devices"`
	InitFormat          string     `json:"init_format"`
	Subitems            []listItem `json:"subitems"`
	SubitemsURL         string     `json:"subitems_url"`
}

// raspios is the file name of an image of Raspberry Pi OS.
var raspios = regexp.MustCompile(`^((\d{4}-\d{2}-\d{2})-(raspios-([a-z]+)-(arm64|armhf)(?:-[a-z]+)?))\.img(?:\.[a-z0-9]+)?$`)

// Catalogue lists the images of Raspberry Pi OS in the catalogue, in its
// order. Images of others are left out, and so are lists on other hosts.
//
// The catalogue is kept in the cache and asked for again each time; when it
// cannot be had, the one in the cache is used, and Log says so.
func (c *Client) Catalogue(ctx context.Context) ([]Entry, error) {
	top := c.CatalogueURL
	if top == "" {
		top = OfficialCatalogue
	}
	r := &listReader{c: c, seen: map[string]bool{}}
	if err := r.list(ctx, top, 0); err != nil {
		return nil, fmt.Errorf("cannot read the catalogue %s: %w", redacted(top), err)
	}
	return r.entries, nil
}

// listReader collects the entries of nested lists.
type listReader struct {
	c       *Client
	lists   int             // fetched so far
	seen    map[string]bool // URLs of lists and images, each taken once
	entries []Entry
}

// list reads the list at rawURL.
func (r *listReader) list(ctx context.Context, rawURL string, depth int) error {
	if r.lists++; r.lists > maxLists {
		return fmt.Errorf("it is spread over more than %d files", maxLists)
	}
	r.seen[rawURL] = true
	base, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	path, err := r.c.latest(ctx, wanted{Request: Request{URL: rawURL}, max: maxCatalogue})
	if err != nil {
		return err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var list struct {
		OSList []listItem `json:"os_list"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return fmt.Errorf("it is not in the form of Raspberry Pi Imager's list: %w", err)
	}
	if list.OSList == nil {
		return errors.New("it is not in the form of Raspberry Pi Imager's list: it has no os_list")
	}
	return r.items(ctx, base, list.OSList, depth)
}

// items reads the entries and groups of one list.
func (r *listReader) items(ctx context.Context, base *url.URL, items []listItem, depth int) error {
	if depth++; depth > maxDepth {
		return fmt.Errorf("its groups are nested more than %d deep", maxDepth)
	}
	for _, it := range items {
		if e, ok := it.entry(); ok && !r.seen[e.URL] {
			r.seen[e.URL] = true
			r.entries = append(r.entries, e)
		}
		if err := r.items(ctx, base, it.Subitems, depth); err != nil {
			return err
		}
		sub, err := base.Parse(it.SubitemsURL)
		if it.SubitemsURL == "" || err != nil || sub.Host != base.Host || r.seen[sub.String()] {
			continue
		}
		if err := r.list(ctx, sub.String(), depth); err != nil {
			r.c.log("cannot read %s, a part of the catalogue (%v); going on without it", sub.Redacted(), err)
		}
	}
	return nil
}

// entry is the image that it lists, if that is one of Raspberry Pi OS.
func (it listItem) entry() (Entry, bool) {
	u, err := url.Parse(it.URL)
	if err != nil {
		return Entry{}, false
	}
	m := raspios.FindStringSubmatch(path.Base(u.Path))
	if m == nil {
		return Entry{}, false
	}
	e := Entry{
		Name: m[3], Dated: m[1], Title: it.Name, Description: it.Description,
		URL: it.URL, ReleaseDate: it.ReleaseDate,
		ExtractSize: it.ExtractSize, ExtractSHA256: it.ExtractSHA256,
		DownloadSize: it.ImageDownloadSize, DownloadSHA256: it.ImageDownloadSHA256,
		Devices: it.Devices, Suite: m[4], Arch: m[5], InitFormat: it.InitFormat,
	}
	if e.ReleaseDate == "" {
		e.ReleaseDate = m[2]
	}
	return e, true
}
