// Package disktest makes miniature Raspberry Pi OS images for tests, as an
// ordinary user and in well under a second.
//
// They have the partition table, the filesystem features and the important
// files of the real ones (facts from pi-gen), but not their size, and nothing
// in them boots. The package being tested has no part in making them:
// sfdisk, mkfs.vfat, mtools, mke2fs and debugfs do that. The same options make
// the same bytes.
package disktest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
)

// Options says which image to make. The zero value is a Lite image of trixie
// for 64-bit boards, with NetworkManager and without cloud-init.
type Options struct {
	Suite     Suite
	Arch      string // of the packages, as dpkg names it; arm64 when empty
	CloudInit bool
	Network   Network
	Fault     Fault
	// Files are further files of the root filesystem, by absolute path, or
	// others in the place of those that are there. They belong to root, with
	// mode 0644.
	Files map[string]string
}

// Suite is the Debian release that the image is made of.
type Suite int

const (
	Trixie   Suite = iota // FAT clusters of 512 bytes; ext4 with orphan_file and metadata_csum_seed
	Bookworm              // FAT clusters of 2 KiB; ext4 without these
)

func (s Suite) String() string { return [...]string{"trixie", "bookworm"}[s] }

// Network is what configures the network on the image.
type Network int

const (
	NetworkManager Network = iota
	Ifupdown
)

// Fault is what is wrong with the image.
type Fault int

const (
	None           Fault = iota
	Dirty                // the root filesystem was not unmounted
	NeedsRecovery        // its journal was not replayed
	UnknownFeature       // it has a feature that nobody knows
	DirtyFAT             // the boot partition was not unmounted
	GPT                  // a GPT instead of an MBR
	NoPartitions         // an MBR without partitions
	NoTable              // zeros
)

const (
	// Signature is the disk signature of every image.
	Signature = 0x9730496b
	bootStart = 16384 * 512   // pi-gen, since March 2025
	bootSize  = 1048576 * 512 // 512 MiB, sparse
	rootStart = bootStart + bootSize
	rootSize  = 304 << 20
	rootEnd   = rootStart + rootSize
)

// Made is when every image and everything in it was made.
var Made = time.Date(2026, 9, 15, 12, 0, 0, 0, time.UTC)

// New makes an image in the test's own folder and returns its path.
func New(t testing.TB, o Options) string {
	t.Helper()
	if o.Arch == "" {
		o.Arch = "arm64"
	}
	m := maker{t: t, dir: t.TempDir(), options: o}
	m.image = filepath.Join(m.dir, "base.img")
	m.grow()
	if o.Fault == NoTable {
		return m.image
	}
	m.table()
	if o.Fault == GPT || o.Fault == NoPartitions {
		return m.image
	}
	m.boot()
	m.root()
	return m.image
}

// maker makes one image. Whatever goes wrong ends the test.
type maker struct {
	t       testing.TB
	dir     string // for files on the way into the image
	image   string
	options Options
}

// run runs a program with the image's own time as its clock.
func (m maker) run(stdin string, program string, args ...string) {
	m.t.Helper()
	seconds := strconv.FormatInt(Made.Unix(), 10)
	cmd := command(m.t, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(cmd.Env, "MKE2FS_CONFIG=/dev/null", "MTOOLSRC=/dev/null",
		"E2FSPROGS_FAKE_TIME="+seconds, "E2FSCK_TIME="+seconds, "SOURCE_DATE_EPOCH="+seconds)
	res, err := host.Exec{}.Run(context.Background(), cmd)
	if program == "e2fsck" && host.ExitCode(err) == 1 { // it has changed what it was to change
		err = nil
	}
	if err != nil {
		m.t.Fatal(err)
	}
	// debugfs exits with 0 whatever happens; it says its version first.
	if program == "debugfs" && bytes.Count(res.Stderr, []byte("\n")) > 1 {
		m.t.Fatalf("%s: %s", cmd, res.Stderr)
	}
}

func (m maker) grow() {
	m.t.Helper()
	f, err := os.Create(m.image)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(rootEnd); err != nil {
		m.t.Fatal(err)
	}
}

// table writes the partition table with sfdisk.
func (m maker) table() {
	m.t.Helper()
	var boot, root string // their types, as sfdisk names them
	end := int64(rootEnd)
	table := "label: dos\nlabel-id: " + fmt.Sprintf("%#x", Signature) + "\n"
	switch m.options.Fault {
	case NoPartitions:
		m.run(table, "sfdisk", "-q", m.image)
		return
	case GPT:
		table, boot, root = "label: gpt\n", "U", "L"
		end -= 1 << 20 // its copy lies at the end
	default:
		boot, root = "c", "83"
	}
	table += fmt.Sprintf("start=%d, size=%d, type=%s\n", bootStart/512, bootSize/512, boot)
	table += fmt.Sprintf("start=%d, size=%d, type=%s\n", rootStart/512, (end-rootStart)/512, root)
	m.run(table, "sfdisk", "-q", m.image)
}
