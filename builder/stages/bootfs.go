package stages

import (
	"context"
	"errors"
	"fmt"

	"berries/builder/disk"
	"berries/builder/etc"
	"berries/firstboot/status"
)

// The files of the boot partition that we write. sshswitch.service takes ssh as
// the word to switch SSH on, and removes it; its content does not matter, but go-
// diskfs cannot write an empty file.
const (
	cmdlineTxt = "cmdline.txt"
	sshMarker  = "ssh"
	sshText    = "Written by berry: SSH is on.\n"
)

// writeBootfs points the kernel at this image's root partition, takes away what
// makes a first boot grow it or rename the disk, switches SSH on, and makes the file in
// which the node will say how it stands.
func writeBootfs(_ context.Context, img *image) (err error) {
	boot, err := disk.OpenFAT(img.path, img.partition(1), img.Epoch)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, boot.Close()) }()
	old, err := boot.ReadFile(cmdlineTxt)
	if err != nil {
		return fmt.Errorf("the boot partition has no readable %s: %w", cmdlineTxt, err)
	}
	set := append([]string{"root=PARTUUID=" + img.table.PARTUUID(2)}, img.Cmdline.Set...)
	line, err := etc.Cmdline(string(old), img.Cmdline.Drop, set)
	if err != nil {
		return err
	}
	unstarted := status.Unstarted(fmt.Sprintf("%s, %s node of %s", img.Node, img.Role, img.NodeFile.Cluster))
	for _, f := range []struct{ name, text string }{{cmdlineTxt, line}, {sshMarker, sshText}, {status.BootName, string(unstarted)}} {
		if err := boot.WriteFile(f.name, []byte(f.text)); err != nil {
			return err
		}
		img.manifest.wroteBoot(f.name, []byte(f.text))
	}
	return nil
}
