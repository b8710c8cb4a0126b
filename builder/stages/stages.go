// Package stages carries a plan out. Build gets the base image and the locked
// packages once, makes sure of everything that could fail before a byte is
// written, and then makes each node's image: a copy of the base under a temporary
// name goes through the stages table, bootfs, rootfs, packages, brick and verify,
// pack makes the forms that are handed on, and seal gives all of them their final
// names, with checksums, block map, bill of materials and manifest beside them. A
// stage that fails or is interrupted takes its image with it. Lock chooses the
// packages anew.
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
	"berries/builder/pack"
	"berries/builder/plan"
	"berries/builder/progress"
	"berries/builder/secrets"
	"berries/firstboot/host"
)

// Options is what a build takes from outside.
type Options struct {
	Out     string         // folder the images go to; made where missing
	Lock    string         // the lock file; Build makes it where it is missing
	Secrets secrets.Folder // SSH host keys
	Fetch   *fetch.Client
	Runner  host.Runner
	// Firstboot gives the berry-firstboot binary for a Debian architecture.
	Firstboot func(arch string) ([]byte, error)
	Progress  progress.Sink
	Jobs      int // images made at once; 0 means one more than there are cores
	// Forms are those that images are made in; none means the raw one.
	Forms []pack.Form
	// Epoch is the time that everything written carries. Zero means the time
	// of the base's last change.
	Epoch   time.Time
	Version string // of this program, for the manifest
}

// Result is one finished image.
type Result struct {
	Node   string      `json:"node"`
	Role   string      `json:"role"`
	Path   string      `json:"path"`   // of its first form
	Size   int64       `json:"size"`   // bytes, as a card must hold them
	Mapped int64       `json:"mapped"` // bytes of them that must be written
	SHA256 string      `json:"sha256"` // of the raw image
	Files  []pack.File `json:"files"`  // one for each form, beside Path
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
		{"packages", writePackages},
		{"brick", makeBrick},
		{"verify", verifyImage},
		{"pack", packImage},
		{"seal", seal},
	}
}

// image is one node's image while it is made.
type image struct {
	plan.Image
	Options
	suite    string
	base     *base
	pins     *pinned
	tools    *disk.Tools
	packer   *pack.Packer
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
	b, pins, err := gather(ctx, o, tools, p)
	if err != nil {
		return nil, err
	}
	packer, err := newPacker(ctx, o, b)
	if err != nil {
		return nil, err
	}
	defer packer.Close()
	if o.Epoch.IsZero() {
		o.Epoch = b.time
	}
	size, err := pins.rootSize(p.RootSize, b.used)
	if err != nil {
		return nil, err
	}
	if size > p.RootSize {
		o.log("the root partition gets %d MiB, not %d: the packages need them", size>>20, p.RootSize>>20)
	}
	if err := b.grow(ctx, o, tools, size); err != nil {
		return nil, err
	}
	unlock, err := prepareOut(o, p, b.allocated+pins.largest())
	if err != nil {
		return nil, err
	}
	defer unlock()
	results := make([]Result, len(p.Images))
	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(jobLimit(o.Jobs))
	for i, planned := range p.Images {
		jobs.Go(func() error {
			planned.NodeFile.Packages = pins.told(planned)
			img := &image{Image: planned, Options: o, suite: p.Suite, base: b, pins: pins, tools: tools, packer: packer}
			var err error
			results[i], err = img.make(ctx)
			return err
		})
	}
	return results, jobs.Wait()
}

// gather gets all that comes from outside: the base, and the packages.
func gather(ctx context.Context, o Options, tools *disk.Tools, p *plan.Plan) (*base, *pinned, error) {
	lock, err := readLock(o, p)
	if err != nil {
		return nil, nil, err
	}
	b, err := getBase(ctx, o, tools, p, lock)
	if err != nil {
		return nil, nil, err
	}
	pins, err := b.pin(ctx, o, tools, p, lock)
	return b, pins, err
}

// log tells something that is not as usual, or of interest later.
func (o Options) log(format string, args ...any) {
	if o.Fetch.Log != nil {
		o.Fetch.Log(fmt.Sprintf(format, args...))
	}
}

// jobLimit is how many images are made at once.
func jobLimit(asked int) int {
	if asked > 0 {
		return asked
	}
	return runtime.NumCPU() + 1 // while one waits for the disk
}

// make takes one image through all stages.
func (img *image) make(ctx context.Context) (Result, error) {
	img.path = img.partial(pack.Raw)
	defer func() {
		for _, form := range pack.Forms() {
			os.Remove(img.partial(form)) // gone already when it was sealed
		}
	}()
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
	return Result{Node: m.Node, Role: m.Role, Path: filepath.Join(img.Out, m.Image.Files[0].File), Size: m.Image.Size,
		Mapped: m.Image.Mapped, SHA256: m.Image.SHA256, Files: m.Image.Files}, nil
}

// partition returns partition n of the image's own table, which has it.
func (img *image) partition(n int) disk.Partition {
	p, _ := img.table.Partition(n)
	return p
}

// partialSuffix ends the name an image has until it is sealed.
const partialSuffix = ".partial"

// prepareOut makes the folder, keeps other builds out of it, removes what a
// killed build left there, and makes sure of the space.
// An image will take perImage bytes and what its brick does, and no more in any other form.
func prepareOut(o Options, p *plan.Plan, perImage int64) (unlock func(), err error) {
	if err := os.MkdirAll(o.Out, 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the folder for the images: %w", err)
	}
	unlock, err = lockFolder(o.Out)
	if err != nil {
		return nil, err
	}
	err = errors.Join(clearAway(o.Out), enoughSpace(o.Out, int64(len(p.Images)), (perImage+brickBytes)*int64(len(o.forms()))))
	if err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// clearAway removes the unfinished images and work files of a build that was
// killed. The folder is locked: nobody is using them.
func clearAway(dir string) error {
	for _, pattern := range []string{".*.img*" + partialSuffix, ".berry-*"} {
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
func enoughSpace(out string, images, perImage int64) error {
	free, err := disk.FreeBytes(out)
	if err != nil {
		return fmt.Errorf("cannot find the free space of %s: %w", out, err)
	}
	need := images * perImage
	if free < need {
		return fmt.Errorf("%s has %d MiB free and %d images need up to %d MiB: free some, or build fewer nodes at a time",
			out, free>>20, images, need>>20)
	}
	return nil
}
