package card

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"berries/builder/disk"
	"berries/builder/progress"
	"berries/firstboot/host"
)

const testSize = 12 << 20 // three chunks

// newImage makes an image of random bytes with a partition table and a block map.
// What lies from byte 5 Mi to 6 Mi is free space.
func newImage(t *testing.T) (*Image, []byte) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cluster01.img")
	content := make([]byte, testSize)
	rand.NewChaCha8([32]byte{1}).Read(content)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	sfdisk, err := disk.LookPath("sfdisk")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(sfdisk, "-q", path)
	cmd.Stdin = strings.NewReader("label: dos\nstart=2048, size=8192, type=83\nstart=12288, type=83\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	mapped := []disk.Range{{Start: 0, End: 5 << 20}, {Start: 6 << 20, End: testSize}}
	b, err := disk.MakeBmap(context.Background(), path, mapped, progress.None.Start("", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.WriteFile(path + ".bmap"); err != nil {
		t.Fatal(err)
	}
	img, err := OpenImage(context.Background(), host.Exec{}, path, progress.None)
	if err != nil {
		t.Fatal(err)
	}
	return img, content
}

// memory is a card that keeps what was written in a cache of its own until it is
// flushed, and loses its power at a given moment.
type memory struct {
	mu      sync.Mutex
	stable  []byte           // what is on it for good
	cache   map[int64][]byte // sectors that are not
	left    int              // things it will still do before the power is cut; -1 for ever
	corrupt int64            // a byte that it keeps wrongly, if > 0
}

func newMemory(size int) *memory {
	m := &memory{stable: bytes.Repeat([]byte("old "), size/4), cache: map[int64][]byte{}, left: -1}
	m.stable[510], m.stable[511] = 0x55, 0xaa
	return m
}

var errCut = errors.New("the power was cut")

func (m *memory) act() error {
	if m.left == 0 {
		return errCut
	}
	m.left = max(m.left-1, -1)
	return nil
}

func (m *memory) WriteAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(p)%sector != 0 || at%sector != 0 || at+int64(len(p)) > int64(len(m.stable)) {
		return 0, fmt.Errorf("%d bytes at %d are no sectors of this card", len(p), at)
	}
	for n := int64(0); n < int64(len(p)); n += sector {
		m.cache[at+n] = bytes.Clone(p[n : n+sector])
	}
	return len(p), m.act()
}

func (m *memory) ReadAt(p []byte, at int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.cache) > 0 {
		return 0, errors.New("it was not flushed before it was read")
	}
	n := copy(p, m.stable[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, m.act()
}

func (m *memory) Flush() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.act(); err != nil {
		return err
	}
	for at, data := range m.cache {
		copy(m.stable[at:], data)
		if m.corrupt > 0 && m.corrupt/sector == at/sector {
			m.stable[m.corrupt] ^= 1
		}
	}
	clear(m.cache)
	return nil
}

func (m *memory) Rescan() error { return nil }
func (m *memory) Close() error  { return nil }

// cut is what is on the card after the power was: some of what was in its cache.
func (m *memory) cut(random *rand.Rand) []byte {
	for at, data := range m.cache {
		if random.IntN(2) == 0 {
			copy(m.stable[at:], data)
		}
	}
	return m.stable
}

// cardOn is a card in memory.
func cardOn(m *memory) *Card {
	return &Card{Device{Path: "/dev/card", Size: int64(len(m.stable))}, m}
}

// sameAsImage says whether a card holds all that it must.
func sameAsImage(img *Image, card, content []byte) bool {
	for _, r := range img.bmap.Ranges {
		if b := img.bmap.Bytes(r); !bytes.Equal(card[b.Start:b.End], content[b.Start:b.End]) {
			return false
		}
	}
	return true
}

func TestACardHoldsWhatItMust(t *testing.T) {
	img, content := newImage(t)
	m := newMemory(testSize + 4<<20)
	if err := cardOn(m).Write(context.Background(), img, progress.None); err != nil {
		t.Fatal(err)
	}
	if !sameAsImage(img, m.stable, content) {
		t.Error("the card does not hold the image")
	}
	if !bytes.HasPrefix(m.stable[5<<20:], []byte("old old ")) {
		t.Error("free space was written")
	}
	if end := m.stable[len(m.stable)-start:]; !bytes.Equal(end, make([]byte, start)) {
		t.Error("the end of the card still has its old content")
	}
}

// The power is cut after each thing that is done, and the card keeps some sectors of
// its cache and loses others: a card with a partition table is whole, or nothing of
// its old content is gone but what lies before and behind all partitions.
func TestNoCutLeavesACardThatBootsHalfMade(t *testing.T) {
	img, content := newImage(t)
	random := rand.New(rand.NewPCG(6, 0))
	bootable := 0
	for moment := 0; ; moment++ {
		m := newMemory(testSize + 4<<20)
		old := bytes.Clone(m.stable)
		m.left = moment
		err := cardOn(m).Write(context.Background(), img, progress.None)
		if err == nil {
			if moment < 10 {
				t.Errorf("the card was written by %d things only", moment)
			}
			break
		}
		var unfinished *Unfinished
		if !errors.Is(err, errCut) || !errors.As(err, &unfinished) {
			t.Fatalf("cut after %d: %v", moment, err)
		}
		got := m.cut(random)
		if got[510] != 0x55 || got[511] != 0xaa {
			continue
		}
		bootable++
		untouched := bytes.Equal(got[start:len(got)-start], old[start:len(old)-start])
		if !untouched && !sameAsImage(img, got, content) {
			t.Errorf("cut after %d: there is a partition table, and the card is not whole", moment)
		}
	}
	t.Logf("%d cuts left a partition table", bootable)
}

func TestACardThatLiesIsFoundOut(t *testing.T) {
	img, _ := newImage(t)
	for _, at := range []int64{600, start + 5, testSize - 1} { // in the part that is written last, and before
		m := newMemory(testSize + 4<<20)
		m.corrupt = at
		err := cardOn(m).Write(context.Background(), img, progress.None)
		if err == nil || !strings.Contains(err.Error(), "do not hold what was written") {
			t.Errorf("byte %d is wrong: %v", at, err)
		}
		if m.stable[510] == 0x55 {
			t.Errorf("byte %d is wrong, and the card would boot", at)
		}
	}
}

func TestADamagedImageDoesNotGetOntoACard(t *testing.T) {
	img, _ := newImage(t)
	f, err := os.OpenFile(img.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("flipped"), testSize-100); err != nil {
		t.Fatal(err)
	}
	m := newMemory(testSize)
	err = cardOn(m).Write(context.Background(), img, progress.None)
	if !errors.As(err, new(BadImage)) || !strings.Contains(err.Error(), "is damaged: blocks 1536 to 3071") {
		t.Error(err)
	}
	if m.stable[510] == 0x55 {
		t.Error("the card would boot")
	}
}

func TestAnInterruptedCardDoesNotBoot(t *testing.T) {
	img, _ := newImage(t)
	ctx, stop := context.WithCancel(context.Background())
	m := newMemory(testSize)
	err := cardOn(m).Write(ctx, img, stopAt{stop, 1 << 20})
	if !errors.Is(err, context.Canceled) || !errors.As(err, new(*Unfinished)) || m.stable[510] == 0x55 {
		t.Errorf("%v, and the table's mark is %#x", err, m.stable[510])
	}
	m = newMemory(testSize)
	err = cardOn(m).Write(ctx, img, progress.None)
	if errors.As(err, new(*Unfinished)) || m.stable[510] != 0x55 {
		t.Errorf("stopped before it began: %v, and the table's mark is %#x", err, m.stable[510])
	}
}

// stopAt stops the work after some bytes.
type stopAt struct {
	stop func()
	at   int64
}

func (s stopAt) Start(string, int64) progress.Task { return s }
func (s stopAt) Done()                             {}
func (s stopAt) Add(n int64) {
	if n >= s.at {
		s.stop()
	}
}

func TestWhatIsNoImageIsRefused(t *testing.T) {
	img, _ := newImage(t)
	data, err := os.ReadFile(img.Path)
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		name string
		make func(path string) error
		want string
	}{
		"a packed one of a form that is not ours": {"a.img.gz", func(p string) error { return nil }, "only .img, .img.xz and .img.zst"},
		"a packed one without a map":              {"a.img.xz", func(p string) error { return os.WriteFile(p, data[:512], 0o644) }, "a.img.bmap, which says what a card must hold, is not there"},
		"a folder":                                {"a.img", func(p string) error { return os.Mkdir(p, 0o755) }, "is not a file"},
		"none at all":                             {"a.img", func(p string) error { return nil }, "no such file"},
		"a file without a table":                  {"a.img", func(p string) error { return os.WriteFile(p, make([]byte, 4096), 0o644) }, "has no MBR partition table"},
		"one with another map": {"a.img", func(p string) error {
			return errors.Join(os.WriteFile(p, data[:8<<20], 0o644), os.Link(img.Path+".bmap", p+".bmap"))
		}, "its block map is for 12582912"},
		"one with a damaged map": {"a.img", func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o644), os.WriteFile(p+".bmap", []byte("<bmap/>"), 0o644))
		}, "as block map"},
		"one with another SHA-256": {"a.img", func(p string) error {
			return errors.Join(os.WriteFile(p, data, 0o644), os.WriteFile(p+".sha256", []byte("0123  a.img\n"), 0o644))
		}, "a.img.sha256 says 0123"},
		"half a sector": {"a.img", func(p string) error { return os.WriteFile(p, append(data[:testSize:testSize], 1), 0o644) }, "no whole sectors"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), tt.name)
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenImage(context.Background(), host.Exec{}, path, progress.None); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// packedAs packs the image beside itself, with a program that is not ours.
func packedAs(t *testing.T, img *Image, ending string, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], append(command[1:], img.Path)...).Output()
	if err != nil {
		t.Fatalf("%v: %v", command, err)
	}
	if err := os.WriteFile(img.Path+ending, out, 0o600); err != nil {
		t.Fatal(err)
	}
	return img.Path + ending
}

func TestPackedImagesAreUnpackedOntoTheCard(t *testing.T) {
	raw, content := newImage(t)
	for ending, command := range map[string][]string{
		".xz":  {"xz", "-0", "-T2", "--block-size=1MiB", "-c"},
		".zst": {"zstd", "-q", "-c"},
	} {
		t.Run(ending, func(t *testing.T) {
			path := packedAs(t, raw, ending, command...)
			img, err := OpenImage(t.Context(), host.Exec{}, path, progress.None)
			if err != nil {
				t.Fatal(err)
			}
			if img.Name != "cluster01" || img.Size != testSize {
				t.Errorf("it is %s of %d bytes, want cluster01 of %d", img.Name, img.Size, testSize)
			}
			m := newMemory(testSize)
			if err := cardOn(m).Write(t.Context(), img, progress.None); err != nil {
				t.Fatal(err)
			}
			if !sameAsImage(img, m.stable, content) {
				t.Error("the card does not hold the image")
			}
			damage(t, path)
			err = cardOn(m).Write(t.Context(), img, progress.None)
			if !errors.As(err, new(BadImage)) || !strings.Contains(err.Error(), path) {
				t.Errorf("damaged: got %v, want that %s is bad", err, path)
			}
			if m.stable[510] == 0x55 {
				t.Error("the card boots all the same")
			}
		})
	}
}

// damage flips a bit of a file, in what a card must hold.
func damage(t *testing.T, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/3] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestAnImageWithoutAMapIsReadToMakeOne(t *testing.T) {
	img, content := newImage(t)
	if err := os.Remove(img.Path + ".bmap"); err != nil {
		t.Fatal(err)
	}
	img, err := OpenImage(context.Background(), host.Exec{}, img.Path, progress.None)
	if err != nil {
		t.Fatal(err)
	}
	m := newMemory(testSize)
	if err := cardOn(m).Write(context.Background(), img, progress.None); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m.stable, content) {
		t.Error("the card does not hold the image, of which nothing is known to be free")
	}
}
