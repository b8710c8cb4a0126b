// Package stages carries a plan out. Build gets the base image once, makes sure
// of everything that could fail before a byte is written, and then makes each
// node's image: a copy of the base under a temporary name goes through the
// stages table, bootfs, rootfs, brick and verify, and seal gives it its final
// name with its checksum, block map and manifest beside it. A stage that fails
// or is interrupted takes its image with it.
//
// A stage is one file, named after what it does. All of it runs as an ordinary
// user; the bytes are written by builder/disk.
package stages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"berries/builder/disk"
	"berries/builder/fetch"
	"berries/builder/plan"
	"berries/builder/progress"
	"berries/builder/secrets"
	"berries/firstboot/host"
)

// Options is what a build takes from outside.
type Options struct {
	Out     string         // folder the images go to; made where missing
	Secrets secrets.Folder // SSH host keys
	Fetch   *fetch.Client
	Runner  host.Runner
	// Firstboot gives the berry-firstboot binary for a Debian architecture.
	Firstboot func(arch string) ([]byte, error)
	Progress  progress.Sink
	Jobs      int // images made at once; 0 means one per core
	// Epoch is the time that everything written carries. Zero means the time
	// of the base's last change.
	Epoch   time.Time
	Version string // of this program, for the manifest
}

// Result is one finished image.
type Result struct {
	Node   string `json:"node"`
	Role   string `json:"role"`
	Path   string `json:"path"`
	Size   int64  `json:"size"`   // bytes, as a card must hold them
	Mapped int64  `json:"mapped"` // bytes of them that must be written
	SHA256 string `json:"sha256"`
}

// stage is one part of making an image.
type stage struct {
	name string
	run  func(context.Context, *image) error
}

// order is the order of the stages of one image.
func order() []stage {
	return []stage{
		{"copy", copyBase},
		{"table", writeTable},
		{"bootfs", writeBootfs},
		{"rootfs", writeRootfs},
		{"brick", makeBrick},
		{"verify", verifyImage},
		{"seal", seal},
	}
}

// image is one node's image while it is made.
type image struct {
	plan.Image
	Options
	suite    string
	base     *base
	tools    *disk.Tools
	path     string // where the bytes are now
	table    disk.Table
	manifest Manifest
	task     progress.Task
}

// Build makes the images of p and returns them in the plan's order.
func Build(ctx context.Context, o Options, p *plan.Plan) ([]Result, error) {
	tools, err := disk.FindTools(ctx, o.Runner)
	if err != nil {
		return nil, err
	}
	b, err := getBase(ctx, o, tools, p)
	if err != nil {
		return nil, err
	}
	if o.Epoch.IsZero() {
		o.Epoch = b.time
	}
	if err := b.grow(ctx, o, tools, p.RootSize); err != nil {
		return nil, err
	}
	unlock, err := prepareOut(o, p, b)
	if err != nil {
		return nil, err
	}
	defer unlock()
	results := make([]Result, len(p.Images))
	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(jobLimit(o.Jobs))
	for i, planned := range p.Images {
		jobs.Go(func() error {
			img := &image{Image: planned, Options: o, suite: p.Suite, base: b, tools: tools, path: partial(o.Out, planned)}
			var err error
			results[i], err = img.make(ctx)
			return err
		})
	}
	return results, jobs.Wait()
}

// jobLimit is how many images are made at once.
func jobLimit(asked int) int {
	if asked > 0 {
		return asked
	}
	return runtime.NumCPU()
}

// make takes one image through all stages.
func (img *image) make(ctx context.Context) (Result, error) {
	defer os.Remove(img.path) // gone already when it was sealed
	img.manifest = newManifest(img)
	// Copied once and read once: the stages between take no time to speak of.
	img.task = img.Progress.Start(img.Node, img.base.size+img.size())
	defer img.task.Done()
	for _, s := range order() {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		if err := s.run(ctx, img); err != nil {
			return Result{}, fmt.Errorf("%s: %s: %w", img.Node, s.name, err)
		}
	}
	m := img.manifest
	return Result{Node: m.Node, Role: m.Role, Path: filepath.Join(img.Out, img.File), Size: m.Image.Size,
		Mapped: m.Image.Mapped, SHA256: m.Image.SHA256}, nil
}

// partition returns partition n of the image's own table, which has it.
func (img *image) partition(n int) disk.Partition {
	p, _ := img.table.Partition(n)
	return p
}

// partialSuffix ends the name an image has until it is sealed.
const partialSuffix = ".partial"

// partial is that name.
func partial(out string, img plan.Image) string {
	return filepath.Join(out, "."+img.File+partialSuffix)
}

// prepareOut makes the folder, keeps other builds out of it, removes what a
// killed build left there, and makes sure of the space.
func prepareOut(o Options, p *plan.Plan, b *base) (unlock func(), err error) {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder for the images: %w", err)
	}
	unlock, err = lockFolder(o.Out)
	if err != nil {
		return nil, err
	}
	err = errors.Join(clearAway(o.Out), enoughSpace(o.Out, len(p.Images), b))
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// clearAway removes the unfinished images and work files of a build that was
// killed. The folder is locked: nobody is using them.
func clearAway(dir string) error {
	for _, pattern := range []string{".*.img" + partialSuffix, ".berry-*"} {
		left, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return err
		}
		for _, path := range left {
			if err := os.RemoveAll(path); err != nil {
				return fmt.Errorf("cannot remove what an earlier build left: %w", err)
			}
		}
	}
	return nil
}

// brickBytes is what a fresh brick filesystem takes on the disk: its journal and
// inode tables.
const brickBytes = 100 << 20

// enoughSpace refuses a build that would fill the disk.
func enoughSpace(out string, images int, b *base) error {
	free, err := disk.FreeBytes(out)
	if err != nil {
		return fmt.Errorf("cannot find the free space of %s: %w", out, err)
	}
	need := int64(images) * (b.allocated + brickBytes)
	if free < need {
		return fmt.Errorf("%s has %d MiB free and %d images need up to %d MiB: free some, or build fewer nodes at a time",
			out, free>>20, images, need>>20)
	}
	return nil
}
