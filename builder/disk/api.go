package disk

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"time"

	"berries/builder/progress"
	"berries/firstboot/host"
)

var errSoon = errors.New("not written yet")

type FAT struct{}

func OpenFAT(image string, p Partition, at time.Time) (*FAT, error) { return nil, errSoon }
func (f *FAT) ReadFile(name string) ([]byte, error)                 { return nil, errSoon }
func (f *FAT) WriteFile(name string, data []byte) error             { return errSoon }
func (f *FAT) List(dir string) ([]string, error)                    { return nil, errSoon }
func (f *FAT) Label() string                                        { return "" }
func (f *FAT) Close() error                                         { return errSoon }
func CheckFAT(image string, p Partition) error                      { return errSoon }

type Tools struct{}

func FindTools(ctx context.Context, run host.Runner) (*Tools, error)             { return nil, errSoon }
func (t *Tools) OpenExt4(image string, p Partition, at time.Time) (*Ext4, error) { return nil, errSoon }
func (t *Tools) MakeBrick(ctx context.Context, image string, p Partition, b Brick) error {
	return errSoon
}

type Brick struct {
	Label    string
	UUID     string
	HashSeed string
	Dir      string
	Time     time.Time
}

type Ext4 struct{}

type Kind int

const (
	File Kind = iota
	Dir
	Symlink
)

type Entry struct {
	Path   string
	Kind   Kind
	Mode   fs.FileMode
	UID    int
	GID    int
	Data   []byte
	Source string
	Target string
}

type Info struct {
	Kind   Kind
	Mode   fs.FileMode
	UID    int
	GID    int
	Size   int64
	Target string
}

func (e *Ext4) ReadFiles(ctx context.Context, paths ...string) (map[string][]byte, error) {
	return nil, errSoon
}
func (e *Ext4) Stat(ctx context.Context, paths ...string) (map[string]Info, error) {
	return nil, errSoon
}
func (e *Ext4) List(ctx context.Context, dir string) ([]string, error) { return nil, errSoon }
func (e *Ext4) Write(ctx context.Context, entries []Entry) error       { return errSoon }
func (e *Ext4) Remove(ctx context.Context, paths ...string) error      { return errSoon }
func (e *Ext4) Rename(ctx context.Context, from, to string) error      { return errSoon }
func (e *Ext4) Resize(ctx context.Context, size int64) error           { return errSoon }
func (e *Ext4) Check(ctx context.Context) error                        { return errSoon }

func Copy(ctx context.Context, dst, src string, task progress.Task) error { return errSoon }
func AllocatedBytes(path string) (int64, error)                           { return 0, errSoon }
func FreeBytes(dir string) (int64, error)                                 { return 0, errSoon }

type MappedRange struct {
	First, Last int64 // blocks of 4096 bytes, inclusive
	SHA256      [sha256.Size]byte
}

type Bmap struct {
	ImageSize   int64
	Ranges      []MappedRange
	ImageSHA256 [sha256.Size]byte
}

// Mapped is what of the image a card must hold.
func Mapped(image string) ([]Range, error) { return nil, errSoon }
func MakeBmap(ctx context.Context, image string, mapped []Range, task progress.Task) (*Bmap, error) {
	return nil, errSoon
}
func ReadBmap(path string) (*Bmap, error)                                          { return nil, errSoon }
func (b *Bmap) WriteFile(path string) error                                        { return errSoon }
func (b *Bmap) Verify(ctx context.Context, image string, task progress.Task) error { return errSoon }
