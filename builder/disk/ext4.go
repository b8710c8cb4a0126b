package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"berries/firstboot/host"
)

// Ext4 is the ext4 filesystem of one partition of an image. libext2fs, through
// the programs of e2fsprogs, does all the writing.
type Ext4 struct {
	tools *Tools
	image string
	part  Partition
	time  time.Time
	super Superblock
}

// Refusal is a filesystem that must not be used as it is.
type Refusal struct {
	Image     string
	Partition int
	Reason    string
	Hint      string // what to do next
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("will not use partition %d of %s: %s; %s", r.Partition, r.Image, r.Reason, r.Hint)
}

// errNotExt4 is a partition without an ext4 superblock.
var errNotExt4 = errors.New("it holds no ext4 filesystem")

// OpenExt4 opens the ext4 filesystem of partition p. Everything written gets
// the time at, in whole seconds after 1970 and before 2038 (what e2fsprogs
// takes on every machine); with the zero time it can only be read. The error is
// a *Refusal when the filesystem is not one that can be edited safely.
func (t *Tools) OpenExt4(image string, p Partition, at time.Time) (*Ext4, error) {
	e := &Ext4{tools: t, image: image, part: p, time: at}
	if s := at.Unix(); !at.IsZero() && (s <= 0 || s >= 1<<31) {
		return nil, fmt.Errorf("cannot edit an ext4 filesystem with the time %s: it must lie between 1970 and 2038", at.Format(time.DateOnly))
	}
	if err := e.reload(); err != nil {
		return nil, err
	}
	return e, nil
}

// Superblock is what the filesystem says about itself, as of the last change.
func (e *Ext4) Superblock() Superblock { return e.super }

// reload reads the superblock again and judges it.
func (e *Ext4) reload() error {
	f, err := os.Open(e.image)
	if err != nil {
		return err
	}
	defer f.Close()
	refuse := func(reason, hint string) error {
		return &Refusal{Image: e.image, Partition: e.part.Number, Reason: reason, Hint: hint}
	}
	s, err := readSuperblock(f, e.part.Start)
	switch {
	case errors.Is(err, errNotExt4):
		return refuse(err.Error(), "give a Raspberry Pi OS image")
	case err != nil:
		return fmt.Errorf("cannot use partition %d of %s: %w", e.part.Number, e.image, err)
	case s.dirty != "":
		return refuse(s.dirty, "download the image again, or repair it with: e2fsck -fy '"+e.device()+"'")
	case len(s.unsupported) > 0:
		return refuse("its features "+strings.Join(s.unsupported, ", ")+" are not known here", "give a Raspberry Pi OS image that was not converted, or a newer version of this program")
	case s.InodeSize < 256:
		return refuse("its inodes are too small for times after 2038", "give a Raspberry Pi OS image")
	case s.Size() > e.part.Size:
		return refuse(fmt.Sprintf("the filesystem has %d bytes and its partition only %d", s.Size(), e.part.Size), "download the image again")
	}
	e.super = s
	return nil
}

// device is the filesystem as e2fsprogs names it.
func (e *Ext4) device() string { return e.image + "?offset=" + strconv.FormatInt(e.part.Start, 10) }

// command is a program of e2fsprogs with the given time as its clock. Versions
// from 1.47.1 let SOURCE_DATE_EPOCH go before their own variable.
func (e *Ext4) command(program string, args ...string) host.Cmd {
	return clocked(e.time, program, args...)
}

func clocked(at time.Time, program string, args ...string) host.Cmd {
	cmd := host.Command(program, args...)
	cmd.Env = []string{"LC_ALL=C"}
	if !at.IsZero() {
		seconds := strconv.FormatInt(at.Unix(), 10)
		cmd.Env = append(cmd.Env, "E2FSPROGS_FAKE_TIME="+seconds, "SOURCE_DATE_EPOCH="+seconds)
	}
	return cmd
}

// Check has e2fsck judge the filesystem without changing it; its words are in
// the error.
func (e *Ext4) Check(ctx context.Context) error {
	if err := checkDevice(ctx, e.tools, e.device()); err != nil {
		return fmt.Errorf("partition %d of %s is damaged: %w", e.part.Number, e.image, err)
	}
	return nil
}

// checkDevice runs e2fsck, which says what is wrong on its standard output.
func checkDevice(ctx context.Context, t *Tools, device string) error {
	cmd := host.Command(t.e2fsck, "-fn", device)
	cmd.Env = []string{"LC_ALL=C"}
	res, err := t.run.Run(ctx, cmd)
	if err == nil || ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.Join(strings.Fields(string(res.Stdout)), " "))
}
