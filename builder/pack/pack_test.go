package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/builder/progress"
	"berries/firstboot/host"
)

const kib = 1 << 10

// noise is data that packs badly, and words that pack well.
func noise(seed byte, size int) []byte {
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{seed}).Read(data)
	for at := 0; at+kib < size; at += 3 * kib {
		copy(data[at:], bytes.Repeat([]byte("berries "), kib/8))
	}
	return data
}

// run runs a program that must succeed and gives its output.
func run(t *testing.T, stdin []byte, words ...string) []byte {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", words, err, stderr.Bytes())
	}
	return out
}

func write(t *testing.T, path string, data []byte) string {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// baseOf is a base and the file it was unpacked from.
func baseOf(t *testing.T, raw, packed []byte) Base {
	t.Helper()
	dir := t.TempDir()
	sum := sha256.Sum256(packed)
	return Base{Raw: write(t, filepath.Join(dir, "base"), raw), Packed: write(t, filepath.Join(dir, "base.img.xz"), packed), SHA256: hex.EncodeToString(sum[:])}
}

// counter runs everything, and counts how often something was packed.
type counter struct {
	host.Exec
	mu     sync.Mutex
	packed int
	levels []string
}

func (c *counter) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if slices.Contains(cmd.Args, "--compress") {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.packed++
		c.levels = append(c.levels, cmd.Args[4])
	}
	return c.Exec.Run(ctx, cmd)
}

// packXZ packs an image, and has xz judge the file and what is in it.
func packXZ(t *testing.T, p *Packer, image []byte) *container {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "image.img.xz")
	got, err := p.Write(t.Context(), write(t, filepath.Join(dir, "image.img"), image), path, XZ, "image.img.xz")
	if err != nil {
		t.Fatal(err)
	}
	run(t, nil, "xz", "--test", path)
	if out := run(t, nil, "xz", "-dc", path); !bytes.Equal(out, image) {
		t.Errorf("xz unpacks %d bytes that are not those of the image, which has %d", len(out), len(image))
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := File{XZ, "image.img.xz", int64(len(file)), hex.EncodeToString(digest(file))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the file (-want +got):\n%s", diff)
	}
	c, err := readContainer(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	checkList(t, path, c)
	return c
}

func digest(data []byte) []byte {
	sum := sha256.Sum256(data)
	return sum[:]
}

// checkList compares our reading of the index with xz's own.
func checkList(t *testing.T, path string, c *container) {
	t.Helper()
	var want, got []string
	for line := range strings.Lines(string(run(t, nil, "xz", "--robot", "--list", "-vv", path))) {
		if f := strings.Fields(line); f[0] == "block" { // block, stream, number, number, offset, offset, size, size
			want = append(want, fmt.Sprint(f[4:8]))
		}
	}
	for _, b := range c.blocks {
		got = append(got, fmt.Sprint([]int64{b.at, b.start, b.padded(), b.size}))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the blocks (-xz +ours):\n%s", diff)
	}
}

func TestSplice(t *testing.T) {
	const blockSize = 256 * kib
	raw := noise(1, 8*blockSize-100) // the last block is a short one
	changed := func(at ...int) []byte {
		image := bytes.Clone(raw)
		for _, a := range at {
			image[a] ^= 1
		}
		return image
	}
	grown := func(image []byte, by int) []byte { return append(bytes.Clone(image), make([]byte, by)...) }
	tests := map[string]struct {
		image  []byte
		blocks int // of the base that are copied
		packed int // times that xz is run
	}{
		"nothing was changed":                     {raw, 8, 0},
		"the first byte was":                      {changed(0), 7, 1},
		"the last byte of the first block was":    {changed(blockSize - 1), 7, 1},
		"the first byte of the second block was":  {changed(blockSize), 7, 1},
		"the bytes on both sides of a border":     {changed(2*blockSize-1, 2*blockSize), 6, 1},
		"two blocks that are not neighbours":      {changed(2*blockSize, 5*blockSize), 6, 2},
		"the last block was":                      {changed(len(raw) - 1), 7, 1},
		"every block was":                         {noise(2, len(raw)), 0, 1},
		"the image has grown":                     {grown(raw, 3*blockSize), 8, 1},
		"it has grown, and its last block is new": {grown(changed(len(raw)-1), 300), 7, 2},
		"it has shrunk into a block":              {raw[:6*blockSize+1], 6, 1},
		"it has shrunk to whole blocks":           {raw[:6*blockSize], 6, 0},
	}
	base := baseOf(t, raw, run(t, raw, "xz", "-6", "-T2", fmt.Sprint("--block-size=", blockSize)))
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			runner := new(counter)
			p := &Packer{Runner: runner, Base: base, Progress: progress.None}
			defer p.Close()
			made := packXZ(t, p, tt.image)
			if copied := len(sharedBlocks(t, base, made)); copied != tt.blocks || runner.packed != tt.packed {
				t.Errorf("%d blocks were copied, and xz was run %d times; want %d and %d", copied, runner.packed, tt.blocks, tt.packed)
			}
		})
	}
}

func TestNewBlocksEndAsThoseOfTheBase(t *testing.T) {
	raw := noise(1, 600*kib)
	image := append(bytes.Clone(raw), 1)
	for _, check := range []string{"none", "crc32", "crc64", "sha256"} {
		t.Run(check, func(t *testing.T) {
			base := baseOf(t, raw, run(t, raw, "xz", "-0", "-T2", "--block-size=256KiB", "--check="+check))
			p := &Packer{Runner: host.Exec{}, Base: base, Progress: progress.None}
			defer p.Close()
			if made := packXZ(t, p, image); checks[made.check] != check || len(sharedBlocks(t, base, made)) != 3 {
				t.Errorf("blocks end with %s, and %d were copied; want %s, and 3", checks[made.check], len(sharedBlocks(t, base, made)), check)
			}
		})
	}
}

// sharedBlocks are the blocks of a file that have size and length of one of the base at
// the same place; a new block has neither by chance.
func sharedBlocks(t *testing.T, base Base, made *container) []block {
	t.Helper()
	data, err := os.ReadFile(base.Packed)
	if err != nil {
		t.Fatal(err)
	}
	from, err := readContainer(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var shared []block
	for _, b := range made.blocks {
		if slices.ContainsFunc(from.blocks, func(f block) bool { return f.start == b.start && f.size == b.size && f.unpadded == b.unpadded }) {
			shared = append(shared, b)
		}
	}
	return shared
}

// Blocks of different sizes, as bases from other tools may have them, and larger ones
// than are packed at once.
func TestSpliceOfUnequalBlocks(t *testing.T) {
	raw := append(noise(1, 3<<20), make([]byte, 30<<20)...)
	base := baseOf(t, raw, run(t, raw, "xz", "-0", "-T2", "--block-size=100MiB", "--block-list=1KiB,1MiB,64KiB,2MiB,0"))
	image := bytes.Clone(raw)
	image[20<<20] = 1 // in the block of 30 MB
	image[2*kib] = 1
	runner := new(counter)
	p := &Packer{Runner: runner, Base: base, Progress: progress.None}
	defer p.Close()
	if c := packXZ(t, p, image); len(sharedBlocks(t, base, c)) != 3 || runner.packed != 3 {
		t.Errorf("%d blocks were copied, and xz was run %d times; want 3 and 3: %v", len(sharedBlocks(t, base, c)), runner.packed, c.blocks)
	}
}

// What one node has is not packed again for the next one.
func TestEqualPiecesArePackedOnce(t *testing.T) {
	const blockSize = 256 * kib
	raw := noise(1, 4*blockSize)
	base := baseOf(t, raw, run(t, raw, "xz", "-0", "-T2", fmt.Sprint("--block-size=", blockSize)))
	runner := new(counter)
	p := &Packer{Runner: runner, Base: base, Progress: progress.None}
	defer p.Close()
	first := append(bytes.Clone(raw), noise(3, 3*blockSize)...)
	first[0] ^= 1
	packXZ(t, p, first)
	second := bytes.Clone(first)
	second[3*blockSize] ^= 1 // its own; the rest is the first one's
	if packXZ(t, p, second); runner.packed != 3 {
		t.Errorf("xz was run %d times, want 3", runner.packed)
	}
}

// sparse makes a file of a size with data somewhere in it, and holes around.
func sparse(t *testing.T, path string, data []byte, at, size int64) string {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(data, at)
	if err := errors.Join(err, f.Truncate(size), f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

// Holes are zeros, wherever they are: in a block of the base, and beyond it.
func TestHoles(t *testing.T) {
	const blockSize = 256 * kib
	data := noise(1, 2*blockSize)
	raw := append(make([]byte, blockSize), data...)
	base := baseOf(t, raw, run(t, raw, "xz", "-0", "-T2", fmt.Sprint("--block-size=", blockSize)))
	sparse(t, base.Raw, data, blockSize, int64(len(raw)))
	image := sparse(t, filepath.Join(t.TempDir(), "x.img"), data, blockSize, 2*pieceSize+10*kib)
	want := append(bytes.Clone(raw), make([]byte, 2*pieceSize+10*kib-len(raw))...)
	p := &Packer{Runner: host.Exec{}, Base: base, Progress: progress.None}
	defer p.Close()
	for form, unpack := range map[Form]string{XZ: "xz", Zstd: "zstd"} {
		if _, err := p.Write(t.Context(), image, form.Of(image), form, "x"); err != nil {
			t.Fatal(err)
		}
		if got := run(t, nil, unpack, "-dcq", form.Of(image)); !bytes.Equal(got, want) {
			t.Errorf("%s unpacks another image", unpack)
		}
	}
}

func TestWhatCannotBeSplicedIsPackedAnew(t *testing.T) {
	raw := noise(1, 600*kib)
	multi := run(t, raw, "xz", "-0", "-T2", "--block-size=256KiB")
	damaged := bytes.Clone(multi)
	damaged[len(damaged)-14] ^= 1 // the checksum of the index
	tests := map[string]struct {
		base Base
		log  string
	}{
		"no file":               {Base{}, "the base did not come packed with xz"},
		"one block":             {baseOf(t, raw, run(t, raw, "xz", "-0", "-T1")), "base.img.xz is packed as one block"},
		"two streams":           {baseOf(t, append(raw[:len(raw):len(raw)], raw...), append(multi[:len(multi):len(multi)], multi...)), "more than one stream"},
		"padding behind it":     {baseOf(t, raw, append(multi[:len(multi):len(multi)], 0, 0, 0, 0)), "it is no xz file"},
		"zstd":                  {baseOf(t, raw, run(t, raw, "zstd", "-q")), "it is no xz file"},
		"a damaged index":       {baseOf(t, raw, damaged), "its index is damaged"},
		"another image's":       {baseOf(t, raw[:500*kib], multi), "is not what the base was unpacked from"},
		"a few bytes":           {baseOf(t, raw, []byte("few")), "it is no xz file"},
		"an xz file of nothing": {baseOf(t, nil, run(t, nil, "xz")), "is packed as one block"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var log []string
			runner := new(counter)
			p := &Packer{Runner: runner, Base: tt.base, Progress: progress.None, Log: func(line string) { log = append(log, line) }}
			defer p.Close()
			packXZ(t, p, raw)
			if len(log) != 1 || !strings.Contains(log[0], tt.log) {
				t.Errorf("said %q, want %q", log, tt.log)
			}
			if diff := cmp.Diff([]string{"-6"}, runner.levels); diff != "" {
				t.Errorf("the levels of xz (-want +got):\n%s", diff)
			}
		})
	}
}

func TestADamagedBaseIsFound(t *testing.T) {
	raw := noise(1, 600*kib)
	base := baseOf(t, raw, run(t, raw, "xz", "-0", "-T2", "--block-size=256KiB"))
	file, err := os.ReadFile(base.Packed)
	if err != nil {
		t.Fatal(err)
	}
	file[100*kib] ^= 1
	write(t, base.Packed, file)
	p := &Packer{Runner: host.Exec{}, Base: base, Progress: progress.None}
	defer p.Close()
	dst := filepath.Join(t.TempDir(), "x.img.xz")
	_, err = p.Write(t.Context(), base.Raw, dst, XZ, "x.img.xz")
	if err == nil || !strings.Contains(err.Error(), "was damaged since") {
		t.Errorf("got %v, want that the base was damaged", err)
	}
	gone(t, dst)
}

func gone(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is there (%v)", path, err)
	}
}

// failing is a machine whose xz makes nothing that can be used.
type failing struct{ host.Exec }

func (f failing) Run(ctx context.Context, cmd host.Cmd) (host.Result, error) {
	if slices.Contains(cmd.Args, "--compress") {
		return host.Result{Stdout: []byte("not xz")}, nil
	}
	return f.Exec.Run(ctx, cmd)
}

func TestWhatFailsLeavesNoFile(t *testing.T) {
	image := write(t, filepath.Join(t.TempDir(), "x.img"), noise(1, 26<<20))
	ctx, cancel := context.WithCancel(t.Context())
	for name, tt := range map[string]struct {
		runner host.Runner
		form   Form
		when   int64 // bytes after which it is interrupted
	}{
		"xz fails":             {failing{}, XZ, 1 << 40},
		"xz is interrupted":    {host.Exec{}, XZ, 1},
		"zstd is interrupted":  {host.Exec{}, Zstd, 8 << 20},
		"before it has begun":  {host.Exec{}, Zstd, 0},
		"a form that is none":  {host.Exec{}, Raw, 1 << 40},
		"no image to be found": {host.Exec{}, XZ, 1 << 40},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Packer{Runner: tt.runner, Progress: stopper{cancel, tt.when}}
			defer p.Close()
			dst := filepath.Join(t.TempDir(), "x.img.xz")
			from := image
			if name == "no image to be found" {
				from += ".not"
			}
			if _, err := p.Write(ctx, from, dst, tt.form, "x"); err == nil {
				t.Error("there was no error")
			}
			gone(t, dst)
			ctx, cancel = context.WithCancel(t.Context())
		})
	}
	cancel()
}

// stopper interrupts after some bytes.
type stopper struct {
	cancel context.CancelFunc
	after  int64
}

func (s stopper) Start(string, int64) progress.Task { s.count(0); return &stopTask{s, 0} }

func (s stopper) count(done int64) {
	if done >= s.after {
		s.cancel()
	}
}

type stopTask struct {
	stopper
	done int64
}

func (s *stopTask) Add(n int64) { s.done += n; s.count(s.done) }
func (s *stopTask) Done()       {}

func TestZstd(t *testing.T) {
	for name, image := range map[string][]byte{
		"one frame":          noise(1, 5<<20),
		"exactly two frames": noise(1, 2*frameSize),
		"many, with a short one": append(append(noise(1, 2*frameSize), make([]byte, 2*frameSize)...),
			noise(2, 512)...),
		"one sector": make([]byte, 512),
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.img.zst")
			p := &Packer{Runner: host.Exec{}, Progress: progress.None}
			defer p.Close()
			if _, err := p.Write(t.Context(), write(t, filepath.Join(dir, "x.img"), image), path, Zstd, "x.img.zst"); err != nil {
				t.Fatal(err)
			}
			run(t, nil, "zstd", "--test", "-q", path)
			if out := run(t, nil, "zstd", "-dcq", path); !bytes.Equal(out, image) {
				t.Error("zstd unpacks another image")
			}
		})
	}
}

// What is read forward is what lies there, and damage is not overlooked.
func TestForward(t *testing.T) {
	raw := noise(1, 3<<20)
	for name, tt := range map[string]struct {
		form   Form
		packed []byte
	}{
		"xz":   {XZ, run(t, raw, "xz", "-0", "-T2", "--block-size=256KiB")},
		"zstd": {Zstd, run(t, raw, "zstd", "-q")},
		"raw":  {Raw, raw},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Unpack(t.Context(), host.Exec{}, tt.form, bytes.NewReader(tt.packed))
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			f, got := &Forward{From: r}, make([]byte, 1000)
			for _, at := range []int64{0, 1000, 5000, 1 << 20, int64(len(raw)) - 1000} {
				if _, err := f.ReadAt(got, at); err != nil || !bytes.Equal(got, raw[at:at+1000]) {
					t.Errorf("at byte %d: %v, or other bytes", at, err)
				}
			}
			if _, err := f.ReadAt(got, 0); err == nil {
				t.Error("it can be read backwards")
			}
			if _, err := f.ReadAt(got, int64(len(raw))); !errors.Is(err, io.EOF) {
				t.Errorf("behind the end: got %v, want EOF", err)
			}
			if tt.form == Raw {
				return
			}
			bad := bytes.Clone(tt.packed)
			bad[len(bad)/2] ^= 1
			if r, err = Unpack(t.Context(), host.Exec{}, tt.form, bytes.NewReader(bad)); err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := io.Copy(io.Discard, r); err == nil {
				t.Error("damage was overlooked")
			}
		})
	}
}

func TestForms(t *testing.T) {
	got, err := ParseForms([]string{"img.xz", "img", "img.xz"})
	if diff := cmp.Diff([]Form{Raw, XZ}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if _, err := ParseForms([]string{"xz"}); err == nil || !strings.Contains(err.Error(), "the forms are img, img.zst and img.xz") {
		t.Errorf("got %v, want the forms that there are", err)
	}
	for path, want := range map[string]string{"out/a.img.xz": "out/a.img", "a.img": "a.img", "b.img.zst": "b.img", "c.iso": "c.iso"} {
		if got := RawName(path); got != want {
			t.Errorf("the raw image of %s is %s, want %s", path, got, want)
		}
	}
	if got := XZ.Of("out/a.img"); got != "out/a.img.xz" {
		t.Errorf("got %s", got)
	}
}
