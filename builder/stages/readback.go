package stages

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"berries/builder/disk"
	"berries/firstboot/host"
)

// checkFiles reads back all that the manifest says was written.
func (j *judge) checkFiles(ctx context.Context) error {
	var bad []error
	for _, want := range j.manifest.Boot {
		data, err := j.bootFile(want.Path)
		if err == nil && digest(data) != want.SHA256 {
			err = errors.New("the content is another one")
		}
		if err != nil {
			bad = append(bad, fmt.Errorf("%s of the boot partition: %w", want.Path, err))
		}
	}
	root, err := j.ext4(2)
	if err != nil {
		return errors.Join(append(bad, err)...)
	}
	return errors.Join(append(bad, readBack(ctx, root, j.manifest.Root)...)...)
}

// readBack compares what was written into the root filesystem with what is there.
func readBack(ctx context.Context, root *disk.Ext4, want []ManifestEntry) []error {
	var all, hashed []string
	for _, e := range want {
		all = append(all, e.Path)
		if e.SHA256 != "" {
			hashed = append(hashed, e.Path)
		}
	}
	info, err := root.Stat(ctx, all...)
	if err != nil {
		return []error{err}
	}
	data, err := root.ReadFiles(ctx, hashed...)
	if err != nil {
		return []error{err}
	}
	var bad []error
	for _, e := range want {
		have, ok := info[e.Path]
		if !ok {
			bad = append(bad, fmt.Errorf("%s is missing", e.Path))
		} else if err := e.differs(have, data[e.Path]); err != nil {
			bad = append(bad, fmt.Errorf("%s %w", e.Path, err))
		}
	}
	return bad
}

// differs says how a thing in the filesystem is not what the manifest says.
func (e ManifestEntry) differs(have disk.Info, data []byte) error {
	mode := fmt.Sprintf("%04o", have.Mode)
	switch {
	case kinds[have.Kind] != e.Kind:
		return fmt.Errorf("is a %s, not a %s", kinds[have.Kind], e.Kind)
	case have.Kind == disk.Symlink && have.Target != e.Target:
		return fmt.Errorf("points to %s, not to %s", have.Target, e.Target)
	case have.Kind != disk.Symlink && mode != e.Mode:
		return fmt.Errorf("has mode %s, not %s", mode, e.Mode)
	case have.UID != e.UID || have.GID != e.GID:
		return fmt.Errorf("belongs to %d:%d, not to %d:%d", have.UID, have.GID, e.UID, e.GID)
	case have.Kind == disk.File && have.Size != e.Size:
		return fmt.Errorf("has %d bytes, not %d", have.Size, e.Size)
	case e.SHA256 != "" && digest(data) != e.SHA256:
		return errors.New("has another content")
	}
	return nil
}

// fsckVfat has dosfstools judge the boot partition, which it can only do in a
// file of its own.
func (j *judge) fsckVfat(ctx context.Context, fsck string) error {
	p, err := j.part(1)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(filepath.Dir(j.path), ".berry-fsck-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	boot := filepath.Join(dir, "bootfs")
	if err := disk.Extract(ctx, boot, j.path, p); err != nil {
		return err
	}
	_, err = j.run.Run(ctx, host.Command(fsck, "-n", boot))
	return err
}
