package stages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"berries/builder/apt"
	"berries/builder/disk"
	"berries/builder/fetch"
	"berries/builder/plan"
	"berries/profiles"
)

// pinned is what a build goes by: the lock, and of each role its packages and
// the pool they make.
type pinned struct {
	lock     *apt.Lock
	base     *apt.Base // what the base itself knows of packages
	packages map[profiles.Role][]apt.Package
	pools    map[profiles.Role]*apt.Pool
}

// Lock chooses today's packages for every role of the plan, writes them and the
// base into the lock file o.Lock, and returns what has changed since the file
// that was there. Of that only what can be read counts.
func Lock(ctx context.Context, o Options, p *plan.Plan) (*apt.Lock, []apt.Change, error) {
	tools, err := disk.FindTools(ctx, o.Runner)
	if err != nil {
		return nil, nil, err
	}
	old, err := apt.ReadLock(o.Lock)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.log("the lock that is there is replaced: %v", err)
	}
	b, err := getBase(ctx, o, tools, p, nil)
	if err != nil {
		return nil, nil, err
	}
	root, err := b.root(ctx, tools)
	if err != nil {
		return nil, nil, err
	}
	lock, err := b.choose(ctx, o, p, root)
	if err != nil {
		return nil, nil, err
	}
	return lock, lock.Diff(old), lock.Write(o.Lock)
}

// readLock reads the lock, or gives nil where there is none yet.
func readLock(o Options, p *plan.Plan) (*apt.Lock, error) {
	lock, err := apt.ReadLock(o.Lock)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if want := originOf(p.Base); lock.Base.Origin != want {
		return nil, fmt.Errorf("%s is for the base %s, and the profile's is %s: type berry lock", o.Lock, lock.Base.Origin, want)
	}
	return lock, nil
}

// originOf is how a lock names the profile's base. Of a file it is the name, so
// that profile, lock and base can move together.
func originOf(b profiles.Base) string {
	switch {
	case b.Name != "":
		return b.Name
	case b.URL != "":
		return b.URL
	}
	return filepath.Base(b.File)
}

// root is the base's root filesystem for package apt.
func (b *base) root(ctx context.Context, tools *disk.Tools) (apt.Root, error) {
	root, err := tools.OpenExt4(b.Path, b.table.Partitions[1], time.Time{})
	return rootReader{ctx, root}, err
}

// choose resolves the packages of every role.
func (b *base) choose(ctx context.Context, o Options, p *plan.Plan, root apt.Root) (*apt.Lock, error) {
	sources, err := o.sources(p)
	if err != nil {
		return nil, err
	}
	known, err := apt.ReadBase(root)
	if err != nil {
		return nil, err
	}
	archive, err := apt.Open(ctx, known, sources)
	if err != nil {
		return nil, err
	}
	for _, note := range archive.Notes {
		o.log("%s", note)
	}
	from := apt.LockedBase{Origin: originOf(p.Base), SHA256: b.SHA256}
	if u, err := url.Parse(b.Origin); err == nil && u.Host != "" {
		from.URL = b.Origin
	}
	return apt.NewLock(from, archive, p.Roles)
}

// sources says where packages come from.
func (o Options) sources(p *plan.Plan) (apt.Options, error) {
	files := &fetch.Client{Cache: o.Fetch.Cache, Progress: o.Progress, Log: o.Fetch.Log, HTTP: o.Fetch.HTTP}
	if p.Apt.Proxy != "" {
		var err error
		if files.HTTP, err = apt.Through(p.Apt.Proxy); err != nil {
			return apt.Options{}, err
		}
	}
	list := apt.Options{Files: files, Now: time.Now}
	for _, m := range p.Apt.Mirrors {
		list.Mirrors = append(list.Mirrors, apt.Mirror{From: m.From, To: m.To})
	}
	return list, nil
}

// pin gets the packages of all planned images: those of the lock, which is made
// first where there is none yet.
func (b *base) pin(ctx context.Context, o Options, tools *disk.Tools, p *plan.Plan, lock *apt.Lock) (*pinned, error) {
	root, err := b.root(ctx, tools)
	if err != nil {
		return nil, err
	}
	if lock == nil {
		if lock, err = b.choose(ctx, o, p, root); err != nil {
			return nil, err
		}
		if err := lock.Write(o.Lock); err != nil {
			return nil, err
		}
		o.log("wrote %s: later builds take the same base and packages", o.Lock)
	}
	if err := lock.Fits(b.SHA256, p.Roles); err != nil {
		return nil, err
	}
	known, err := apt.ReadInstalled(root)
	if err != nil {
		return nil, err
	}
	pins := &pinned{lock, known, map[profiles.Role][]apt.Package{}, map[profiles.Role]*apt.Pool{}}
	return pins, pins.fetch(ctx, o, p)
}

// fetch downloads the packages of the roles that are built, each once, and makes
// their pools.
func (pins *pinned) fetch(ctx context.Context, o Options, p *plan.Plan) error {
	sources, err := o.sources(p)
	if err != nil {
		return err
	}
	all := map[apt.Package]string{} // to where it lies on this machine
	for _, img := range p.Images {
		list, err := pins.lock.For(string(img.Role))
		if err != nil {
			return err
		}
		pins.packages[img.Role] = list
		for _, one := range list {
			all[one] = ""
		}
	}
	wanted := slices.SortedFunc(maps.Keys(all), func(a, b apt.Package) int { return strings.Compare(a.URL, b.URL) })
	paths, err := apt.Fetch(ctx, sources, wanted)
	if err != nil {
		return err
	}
	for i, one := range wanted {
		all[one] = paths[i]
	}
	for role, list := range pins.packages {
		files := make([]string, len(list))
		for i, one := range list {
			files[i] = all[one]
		}
		if pins.pools[role], err = apt.NewPool(list, files); err != nil {
			return err
		}
	}
	return nil
}

// spareRoot is what a root filesystem has free, in bytes, when its packages are
// installed: room for logs, and for upgrading them.
const spareRoot = 512 << 20

// rootSize is how large root partitions have to be: what the profile says, or
// more where the base with the largest role's packages, packed and installed,
// would not fit. All nodes get the same.
func (pins *pinned) rootSize(wanted int64, used int64) (int64, error) {
	most := int64(0)
	for role := range pins.lock.Roles {
		list, err := pins.lock.For(role)
		if err != nil {
			return 0, err
		}
		total := int64(0)
		for _, p := range list {
			total += p.Size + p.InstalledSize
		}
		most = max(most, total)
	}
	// ext4 keeps a twentieth for root, and what it says of itself is another 2%.
	need := (used + most + spareRoot) * 107 / 100
	return max(wanted, plan.AlignUp(need)), nil
}

// largest is the size of the largest pool in bytes.
func (pins *pinned) largest() int64 {
	n := int64(0)
	for _, pool := range pins.pools {
		n = max(n, pool.Bytes())
	}
	return n
}

// rootReader reads the base's root filesystem for package apt.
type rootReader struct {
	ctx  context.Context
	root *disk.Ext4
}

// maxLinks is how many symbolic links are followed, as in the kernel.
const maxLinks = 40

// ReadFile implements apt.Root.
func (r rootReader) ReadFile(name string) ([]byte, error) {
	for range maxLinks {
		info, err := r.root.Stat(r.ctx, name)
		if err != nil {
			return nil, err
		}
		link, ok := info[name]
		if !ok {
			return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
		}
		if link.Kind != disk.Symlink {
			files, err := r.root.ReadFiles(r.ctx, name)
			return files[name], err
		}
		if !path.IsAbs(link.Target) {
			link.Target = path.Join(path.Dir(name), link.Target)
		}
		name = path.Clean(link.Target)
	}
	return nil, fmt.Errorf("%s: too many symbolic links", name)
}

// ReadDir implements apt.Root.
func (r rootReader) ReadDir(name string) ([]string, error) { return r.root.List(r.ctx, name) }
