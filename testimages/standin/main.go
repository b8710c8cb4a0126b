// Command standin makes a disk image that stands in for Raspberry Pi OS Lite
// where the official one cannot be had: Debian, laid out like Raspberry Pi OS.
//
//	go run ./testimages/standin -arch arm64 -o standin.img
//
// In come the packages of one Debian suite, from the mirrors that this
// machine's apt uses. Out goes a raw, sparse image: an MBR with a disk
// signature, the FAT32 boot partition with the Pi's firmware, kernel and
// initramfs, and the ext4 root partition, filled by the kernel. Sizes, offsets,
// filesystem features, cmdline.txt, fstab, machine-id and the account pi are as
// pi-gen makes them. The image for amd64 has the same layout and no kernel: it
// is what the lab boots in namespaces.
//
// What the stand-in is not: the kernel is Debian's, and Raspberry Pi's own
// packages (raspberrypi-sys-mods, raspi-config, rpi-swap, userconf-pi) are not in
// Debian, so rpi-resize.service, sshswitch.service, userconfig.service and
// regenerate_ssh_host_keys.service are missing. The initramfs is our own
// (initrd.sh): it finds the root partition and mounts it, so resize_early and
// set_partuuid are not exercised; and since rebuilding a real one would
// overwrite it, update-initramfs is switched off in the image. A bookworm
// stand-in's cmdline.txt names an init= that it does not have; initrd.sh says so
// and starts systemd.
//
// It needs root, for chroot, mounts and a loop device, all of them inside a
// mount and process namespace of its own which takes them away however the
// program ends. What it needs installed is what -needs prints. It installs
// nothing itself.
//
// Packages and finished images are kept in the folder -cache. The image is made
// anew when this program's source changes or when one of the packages does;
// without a network the last one is used.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, errTold) {
			fmt.Fprintln(os.Stderr, "standin:", err)
		}
		os.Exit(1)
	}
}

// request is what the command line asks for.
type request struct {
	arch, suite string
	out         string // the image to write
	cache       string // folder kept from run to run
	work        string // folder for this run alone; set inside the namespace
	verbose     bool
}

func run(ctx context.Context, args []string) error {
	var r request
	flags := flag.NewFlagSet("standin", flag.ContinueOnError)
	flags.StringVar(&r.arch, "arch", "arm64", "architecture of the image: arm64 or amd64")
	flags.StringVar(&r.suite, "suite", "trixie", "Debian suite of the image: trixie or bookworm")
	flags.StringVar(&r.out, "o", "", "write the image to this `file`")
	flags.StringVar(&r.cache, "cache", "", "keep packages and images in this `folder` (default: below the user's cache folder)")
	flags.StringVar(&r.work, "work", "", "")
	flags.BoolVar(&r.verbose, "v", false, "print every command")
	needed := flags.Bool("needs", false, "print the Debian packages that making and booting the image needs, and stop")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *needed {
		fmt.Println(strings.Join(needs(), " "))
		return nil
	}
	if err := r.check(); err != nil {
		return err
	}
	if r.work != "" {
		return makeInside(ctx, r)
	}
	return makeOutside(ctx, r)
}

// check completes the request, and refuses one that cannot be met.
func (r *request) check() error {
	if r.out == "" {
		return fmt.Errorf("no file to write the image to; type: standin -arch %s -o standin-%s.img", r.arch, r.arch)
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("making an image needs root: type sudo before it")
	}
	if err := checkPrograms(r.arch); err != nil {
		return err
	}
	if r.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("cannot find a cache folder, give one with -cache: %w", err)
		}
		r.cache = filepath.Join(dir, "berries", "standin")
	}
	var err error
	if r.cache, err = filepath.Abs(r.cache); err != nil {
		return err
	}
	r.out, err = filepath.Abs(r.out)
	return err
}
