//go:build root && linux

package card_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"berries/builder/card"
	"berries/builder/cli"
	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/builder/progress"
	"berries/firstboot/host"
)

// TestMain lets this test binary be berry itself, to be killed.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"berry": func() {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(cli.Main(ctx, cli.Env{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv,
			Firstboot: func(string) ([]byte, error) { return []byte("berry-firstboot\n"), nil }}))
	}})
}

// run runs a program that has to succeed, and gives what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// loop makes a file a disk of this machine.
func loop(t *testing.T, file string, options ...string) string {
	t.Helper()
	device := run(t, "losetup", append(append([]string{"--find", "--show", "--partscan"}, options...), file)...)
	t.Cleanup(func() { run(t, "losetup", "--detach", device) })
	return device
}

// blank makes a disk of a size with something at its start and its end, and gives
// the file behind it too.
func blank(t *testing.T, size int64, options ...string) (device, file string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "card")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(file, size); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	old := bytes.Repeat([]byte{0xa5}, 4<<20)
	for _, at := range []int64{0, size - 4<<20} {
		if _, err := f.WriteAt(old, at); err != nil {
			t.Fatal(err)
		}
	}
	return loop(t, file, options...), file
}

// withMap puts a block map beside an image, as build does.
func withMap(t *testing.T, image string) *disk.Bmap {
	t.Helper()
	mapped, err := disk.Mapped(image)
	if err != nil {
		t.Fatal(err)
	}
	b, err := disk.MakeBmap(t.Context(), image, mapped, progress.None.Start("", 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.WriteFile(image + ".bmap"); err != nil {
		t.Fatal(err)
	}
	return b
}

// piImage makes a small Raspberry Pi OS image of a node.
func piImage(t *testing.T, dir, node string) (string, *disk.Bmap) {
	t.Helper()
	image := filepath.Join(dir, node+".img")
	made := disktest.New(t, disktest.Options{Files: map[string]string{
		"/etc/berry/node.json": fmt.Sprintf(`{"name": %q, "cluster": "berries"}`, node)}})
	run(t, "cp", "--sparse=always", made, image)
	return image, withMap(t, image)
}

// randomImage makes an image of a partition with random bytes, which no sparse file
// makes short work of.
func randomImage(t *testing.T, size int64) (string, *disk.Bmap) {
	t.Helper()
	image := filepath.Join(t.TempDir(), "cluster01.img")
	f, err := os.Create(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, rand.NewChaCha8([32]byte{7}), size); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sfdisk", "--quiet", "--wipe", "never", image)
	cmd.Stdin = strings.NewReader("label: dos\nlabel-id: 0x11111111\nstart=8192, type=83\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	return image, withMap(t, image)
}

// berry runs the program, and gives its exit code and all that it printed.
func berry(args ...string) (int, string) {
	c := exec.Command("berry", args...)
	out, _ := c.CombinedOutput()
	return c.ProcessState.ExitCode(), string(out)
}

// held says whether a card holds what a block map says, by the kernel's own reading.
func held(t *testing.T, b *disk.Bmap, device string) error {
	t.Helper()
	f, err := os.Open(device)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return b.Verify(t.Context(), f, progress.None.Start("", 0))
}

func TestFlashWritesSeveralCardsAtOnce(t *testing.T) {
	out := t.TempDir()
	_, first := piImage(t, out, "cluster01")
	_, second := piImage(t, out, "cluster02")
	a, fileA := blank(t, 1<<30)
	b, _ := blank(t, 2<<30)
	code, said := berry("flash", "-o", out, "--allow-fixed", "--yes", "cluster01="+a, "cluster02="+b)
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	t.Log(said)
	for device, m := range map[string]*disk.Bmap{a: first, b: second} {
		if err := held(t, m, device); err != nil {
			t.Errorf("%s: %v", device, err)
		}
		run(t, "sfdisk", "--verify", device)
		showPartitions(t, device)
		run(t, "fsck.vfat", "-n", device+"p1")
		run(t, "e2fsck", "-fn", device+"p2")
	}
	size := int64(1 << 30)
	end := make([]byte, 2<<20)
	f, err := os.Open(fileA)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.ReadAt(end, size-int64(len(end))); err != nil {
		t.Fatal(err)
	}
	if end[0] != 0xa5 || end[1<<20] != 0 {
		t.Errorf("of the end of the card, only the last MiB should be wiped: %#x, %#x", end[0], end[1<<20])
	}
	// The card is known again.
	_, said = berry("flash", "--list", "--allow-fixed")
	if !regexp.MustCompile(`(?m)^\d+ +` + b + ` .*the node cluster02 of the cluster berries: bootfs \(FAT\), rootfs \(ext4\)$`).MatchString(said) {
		t.Errorf("flash --list printed\n%s", said)
	}
}

func TestFlashRefuses(t *testing.T) {
	image, _ := piImage(t, t.TempDir(), "cluster01")
	fits := int64(1 << 30)
	tests := map[string]struct {
		device func(t *testing.T) (device, file string)
		flags  []string
		code   int
		want   []string
	}{
		"a disk that is not removable": {func(t *testing.T) (string, string) { return blank(t, fits) }, []string{"--yes"}, 1,
			[]string{" is not removable", "hint: if it is the right one: --allow-fixed"}},
		"one larger than 256 GB": {func(t *testing.T) (string, string) { return blank(t, 300e9) }, []string{"--yes", "--allow-fixed"}, 1,
			[]string{" is larger than 256 GB", "--allow-large"}},
		"one that is too small": {func(t *testing.T) (string, string) { return blank(t, 64<<20) }, []string{"--yes", "--allow-fixed"}, 1,
			[]string{" has 67.1 MB, and the image needs ", "hint: use a larger card"}},
		"one that takes no writes": {func(t *testing.T) (string, string) { return blank(t, fits, "--read-only") }, []string{"--yes", "--allow-fixed"}, 1,
			[]string{" takes no writes", "hint: move the lock"}},
		"one with sectors of 4 KiB": {func(t *testing.T) (string, string) { return blank(t, fits, "--sector-size", "4096") }, []string{"--yes", "--allow-fixed"}, 1,
			[]string{" has sectors of 4096 bytes"}},
		"a mounted one": {func(t *testing.T) (string, string) {
			device, file := blank(t, fits)
			run(t, "mkfs.ext4", "-q", "-F", device)
			at := t.TempDir()
			run(t, "mount", device, at)
			t.Cleanup(func() { run(t, "umount", at) })
			run(t, "sync", "-f", at)
			return device, file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{" is mounted at /", "hint: umount /"}},
		"one with a mounted partition": {func(t *testing.T) (string, string) {
			device, file := partitioned(t, fits)
			run(t, "mkfs.ext4", "-q", "-F", device+"p1")
			at := t.TempDir()
			run(t, "mount", device+"p1", at)
			t.Cleanup(func() { run(t, "umount", at) })
			run(t, "sync", "-f", at)
			return device, file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{" is mounted at /", "hint: umount /"}},
		"one that another has mounted where we cannot see it": {func(t *testing.T) (string, string) {
			device, file := partitioned(t, fits)
			run(t, "mkfs.ext4", "-q", "-F", device+"p1")
			at := t.TempDir()
			other := exec.Command("unshare", "--mount", "sh", "-c", "mount "+device+"p1 "+at+" && sync && echo && exec sleep 600")
			ready, err := other.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := other.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { other.Process.Kill(); other.Wait(); time.Sleep(100 * time.Millisecond) })
			if _, err := ready.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			return device, file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{" is in use by this system or another program", "hint: lsblk /dev/"}},
		"one that is swapped on": {func(t *testing.T) (string, string) {
			device, file := partitioned(t, fits)
			run(t, "mkswap", "-q", device+"p1")
			run(t, "swapon", device+"p1")
			t.Cleanup(func() { run(t, "swapoff", device+"p1") })
			return device, file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{" is a disk of this system (swap)"}},
		"one that a program holds": {func(t *testing.T) (string, string) {
			device, file := blank(t, fits)
			fd, err := unix.Open(device, unix.O_RDWR|unix.O_EXCL|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { unix.Close(fd) })
			return device, file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{" is in use by this system or another program"}},
		"a partition": {func(t *testing.T) (string, string) {
			device, file := partitioned(t, fits)
			return device + "p1", file
		}, []string{"--yes", "--allow-fixed"}, 1, []string{"p1 is one partition of /dev/loop", "hint: give /dev/loop"}},
		"when nobody can be asked": {func(t *testing.T) (string, string) { return blank(t, fits) }, []string{"--allow-fixed"}, 2,
			[]string{"nobody is there to be asked", "hint: berry flash " + image + " /dev/loop", " --allow-fixed --yes"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			device, file := tt.device(t)
			before := disktest.Contents(t, file)
			code, said := berry(append([]string{"flash", image, device}, tt.flags...)...)
			for _, want := range tt.want {
				if code != tt.code || !strings.Contains(said, want) {
					t.Errorf("exit code %d, want %d and %q:\n%s", code, tt.code, want, said)
				}
			}
			if disktest.Contents(t, file) != before {
				t.Error("the disk is not what it was")
			}
		})
	}
}

// partitioned is a disk with one partition.
func partitioned(t *testing.T, size int64) (device, file string) {
	t.Helper()
	device, file = blank(t, size)
	cmd := exec.Command("sfdisk", "--quiet", "--wipe", "always", device)
	cmd.Stdin = strings.NewReader("label: gpt\nstart=2048\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sfdisk: %v\n%s", err, out)
	}
	showPartitions(t, device)
	return device, file
}

// showPartitions has the kernel know the partitions, also one that reads no tables.
func showPartitions(t *testing.T, device string) {
	t.Helper()
	run(t, "partx", "--update", device)
}

// Nothing is written here, and nothing could be: the disk is only looked at.
func TestTheDiskOfThisSystemIsRefused(t *testing.T) {
	source := run(t, "findmnt", "--noheadings", "--output", "SOURCE", "/")
	if !strings.HasPrefix(source, "/dev/") {
		t.Skipf("/ is on %s", source)
	}
	disk := run(t, "lsblk", "--noheadings", "--nodeps", "--inverse", "--paths", "--output", "NAME", source)
	m, err := card.ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Find(disk)
	if err != nil {
		t.Fatal(err)
	}
	if err := card.Refuse(d, 0, card.Allow{Large: true, Fixed: true}); err == nil || !strings.Contains(err.Error(), "is a disk of this system (/") {
		t.Errorf("%s: %v", disk, err)
	}
	if _, err := card.Open(d); err == nil {
		t.Errorf("%s was opened for writing", disk)
	}
}

// answers are what a person types, each once the question for it is on the screen.
type answers struct {
	screen *bytes.Buffer
	next   []func(screen string) string
	line   string
}

func (a *answers) Read(p []byte) (int, error) {
	if a.line == "" {
		if len(a.next) == 0 {
			return 0, io.EOF
		}
		a.line, a.next = a.next[0](a.screen.String())+"\n", a.next[1:]
	}
	n := copy(p, a.line)
	a.line = a.line[n:]
	return n, nil
}

func TestFlashAsks(t *testing.T) {
	out := t.TempDir()
	_, m := piImage(t, out, "cluster01")
	device, file := blank(t, 1<<30)
	number := func(screen string) string {
		return regexp.MustCompile(`(?m)^(\d+) +` + device + ` `).FindStringSubmatch(screen)[1]
	}
	name := func(typed string) func(string) string {
		return func(screen string) string {
			if !strings.Contains(screen, "All of "+device+" will be lost") {
				t.Fatalf("asked for another disk than %s:\n%s", device, screen)
			}
			return typed
		}
	}
	flash := func(next ...func(string) string) (int, string) {
		var screen bytes.Buffer
		code := cli.Main(t.Context(), cli.Env{Args: []string{"flash", "cluster01", "-o", out, "--allow-fixed"}, Interactive: true,
			Stdin: &answers{screen: &screen, next: next}, Stdout: &screen, Stderr: &screen, Getenv: os.Getenv})
		return code, screen.String()
	}
	before := disktest.Contents(t, file)
	for _, tt := range []struct {
		typed []func(string) string
		want  string
	}{
		{[]func(string) string{number, name("cluster02")}, `"cluster02" is not cluster01; nothing was written`},
		{[]func(string) string{number, name("")}, `"" is not cluster01; nothing was written`},
		{[]func(string) string{number}, "no answer was given; nothing was written"},
		{[]func(string) string{func(string) string { return "99" }}, `"99" is none of them; nothing was written`},
	} {
		if code, screen := flash(tt.typed...); code != 1 || !strings.Contains(screen, tt.want) {
			t.Errorf("exit code %d, want %s:\n%s", code, tt.want, screen)
		}
	}
	if disktest.Contents(t, file) != before {
		t.Error("the card is not what it was")
	}
	if code, screen := flash(number, name("cluster01")); code != 0 || held(t, m, device) != nil {
		t.Errorf("exit code %d, %v:\n%s", code, held(t, m, device), screen)
	}
	// Where nobody can be asked, it says what to type.
	code, screen := berry("flash", "cluster01", "-o", out, "--allow-fixed")
	if code != 2 || !strings.Contains(screen, "flash needs to be told which card\nhint: berry flash cluster01 /dev/") {
		t.Errorf("exit code %d:\n%s", code, screen)
	}
}

// corrupts flips a byte of the file behind a card as soon as that is read back.
type corrupts struct {
	t    *testing.T
	file string
	at   int64
}

func (c corrupts) Start(label string, total int64) progress.Task {
	if strings.HasPrefix(label, "read back ") {
		f, err := os.OpenFile(c.file, os.O_RDWR, 0)
		if err != nil {
			c.t.Fatal(err)
		}
		defer f.Close()
		b := make([]byte, 1)
		_, err1 := f.ReadAt(b, c.at)
		b[0] ^= 4
		_, err2 := f.WriteAt(b, c.at)
		if err := errors.Join(err1, err2); err != nil {
			c.t.Fatal(err)
		}
	}
	return progress.None.Start(label, total)
}

func TestACardThatDoesNotKeepWhatIsWrittenIsFoundOut(t *testing.T) {
	image, _ := randomImage(t, 64<<20)
	for _, at := range []int64{1 << 20, 40<<20 + 123, 64<<20 - 1} {
		device, file := blank(t, 128<<20)
		err := flashTo(t, image, device, corrupts{t, file, at})
		if err == nil || !strings.Contains(err.Error(), "is not finished, and does not boot: blocks ") || bootable(t, file) {
			t.Errorf("byte %d is not what was written; the card boots: %v; %v", at, bootable(t, file), err)
		}
	}
}

func TestADamagedImageIsFoundOutWhileItIsWritten(t *testing.T) {
	image, _ := randomImage(t, 16<<20)
	f, err := os.OpenFile(image, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("flipped"), 9<<20); err != nil {
		t.Fatal(err)
	}
	device, file := blank(t, 32<<20)
	code, said := berry("flash", image, device, "--allow-fixed", "--yes")
	if code != 4 || !strings.Contains(said, "cluster01.img is damaged: blocks ") || !strings.Contains(said, "hint: build it again") || bootable(t, file) {
		t.Errorf("exit code %d, the card boots: %v\n%s", code, bootable(t, file), said)
	}
}

// The file behind this card has no room for what the card says it has.
func TestACardThatFailsIsFoundOut(t *testing.T) {
	image, _ := randomImage(t, 64<<20)
	small := t.TempDir()
	run(t, "mount", "-t", "tmpfs", "-o", "size=48m", "none", small)
	file := filepath.Join(small, "card")
	t.Cleanup(func() { run(t, "umount", small) }) // after the loop device is gone
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 128<<20)); err != nil {
		t.Fatal(err)
	}
	device := loop(t, file)
	code, said := berry("flash", image, device, "--allow-fixed", "--yes")
	if code != 1 || !strings.Contains(said, "is not finished, and does not boot: cannot write ") || !strings.Contains(said, "hint: try again; if it fails again, take another card") || bootable(t, file) {
		t.Errorf("exit code %d, the card boots: %v\n%s", code, bootable(t, file), said)
	}
}

// flashTo writes an image without the command line, so that a test sees when.
func flashTo(t *testing.T, image, device string, show progress.Sink) error {
	t.Helper()
	m, err := card.ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	img, err := card.OpenImage(t.Context(), host.Exec{}, image, show)
	if err != nil {
		t.Fatal(err)
	}
	d, err := m.Find(device)
	if err != nil {
		t.Fatal(err)
	}
	c, err := card.Open(d)
	if err != nil {
		t.Fatal(err)
	}
	return errors.Join(c.Write(t.Context(), img, show), c.Close())
}

// bootable says whether the first sector of a card has the mark of a partition table.
func bootable(t *testing.T, file string) bool {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mark := make([]byte, 2)
	if _, err := f.ReadAt(mark, 510); err != nil {
		t.Fatal(err)
	}
	return mark[0] == 0x55 && mark[1] == 0xaa
}

// Whenever the program is killed or interrupted, the card boots only if all of the
// image is on it, or if nothing was done to it at all.
func TestInterruptedAtRandomMoments(t *testing.T) {
	const moments = 20
	image, m := randomImage(t, 64<<20)
	device, file := blank(t, 80<<20)
	fill(t, file)
	before := disktest.Contents(t, file)
	args := []string{"flash", image, device, "--allow-fixed", "--yes"}
	began := time.Now()
	if code, said := berry(args...); code != 0 {
		t.Fatalf("exit code %d\n%s", code, said)
	}
	whole := time.Since(began)
	random := rand.New(rand.NewPCG(6, 1))
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGINT} {
		ends := map[string]int{}
		for range moments {
			fill(t, file)
			var said bytes.Buffer
			c := exec.Command("berry", args...)
			c.Stderr = &said
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			moment := time.Duration(random.Int64N(int64(whole)))
			time.Sleep(moment)
			c.Process.Signal(sig)
			c.Wait()
			state := "not bootable"
			switch {
			case !bootable(t, file):
			case disktest.Contents(t, file) == before:
				state = "untouched"
			case held(t, m, device) == nil:
				state = "whole"
			default:
				t.Errorf("%v after %v: the card has a partition table and is not whole\n%s", sig, moment, &said)
			}
			ends[state]++
			if sig == syscall.SIGINT {
				checkLastWords(t, state, c.ProcessState.ExitCode(), said.String())
			}
		}
		t.Logf("%v at %d moments of %v: %v", sig, moments, whole.Round(time.Millisecond), ends)
		if ends["not bootable"] < moments/4 {
			t.Errorf("%v: hardly any of the moments lay within the writing", sig)
		}
	}
	if code, said := berry(args...); code != 0 || held(t, m, device) != nil {
		t.Errorf("the card after all that: exit code %d, %v\n%s", code, held(t, m, device), said)
	}
}

// fill makes a card one with another system on it, in all of its bytes.
func fill(t *testing.T, file string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	old := bytes.Repeat([]byte{0xa5}, 16<<20)
	for at := int64(0); at < info.Size(); at += int64(len(old)) {
		if _, err := f.WriteAt(old, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt([]byte{0x55, 0xaa}, 510); err != nil {
		t.Fatal(err)
	}
}

// checkLastWords makes sure that a program that was interrupted has said how the card is.
func checkLastWords(t *testing.T, state string, code int, said string) {
	t.Helper()
	switch {
	case state == "whole" && code == 0:
	case code == -1 && state == "untouched": // before it could say anything
	case code != 130:
		t.Errorf("a card that is %s: exit code %d\n%s", state, code, said)
	case state == "untouched" && !strings.Contains(said, "berry: interrupted; nothing was written"),
		state == "not bootable" && !strings.Contains(said, "is not finished, and does not boot: flash it again"):
		t.Errorf("a card that is %s: it said\n%s", state, said)
	}
}
