package card

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"berries/builder/disk"
	"berries/firstboot/host"
	"berries/firstboot/node"
)

// Look reads what is on a device: the kinds and labels of its filesystems, and which
// node it is for when it is a card of ours. What it cannot read it leaves out: it
// only helps a person to know the card again.
func (d *Device) Look(ctx context.Context, run host.Runner) {
	f, err := os.Open(d.Path)
	if errors.Is(err, fs.ErrPermission) {
		d.Unread = "only root can read it"
		return
	}
	if err != nil {
		d.Unread = err.Error()
		return
	}
	defer f.Close()
	for i := range d.Partitions {
		p := &d.Partitions[i]
		p.Type, p.Label = filesystem(f, p.Start)
		if p.Number == 2 && p.Type == "ext4" {
			d.Node, d.Cluster = nodeOf(ctx, run, d.Path, p.Start)
		}
	}
}

// filesystem is the kind and the label of a filesystem, of those that cards have;
// both are "" for another.
func filesystem(f io.ReaderAt, start int64) (kind, label string) {
	const ext4Magic = 0xef53
	b := make([]byte, 2048)
	if _, err := f.ReadAt(b, start); err != nil {
		return "", ""
	}
	name := func(b []byte) string { return strings.ToValidUTF8(strings.TrimRight(string(b), " \x00"), "?") }
	switch {
	case binary.LittleEndian.Uint16(b[1024+56:]) == ext4Magic:
		return "ext4", name(b[1024+120 : 1024+136])
	case string(b[82:87]) == "FAT32":
		return "FAT", name(b[71:82])
	case string(b[54:57]) == "FAT":
		return "FAT", name(b[43:54])
	case string(b[3:8]) == "EXFAT":
		return "exFAT", ""
	case string(b[3:7]) == "NTFS":
		return "NTFS", ""
	}
	return "", ""
}

// nodeOf reads the node file of a card. A card that has lost its power is read, too,
// and so is one of another version of berry; whoever asks wants to know it again.
func nodeOf(ctx context.Context, run host.Runner, device string, start int64) (name, cluster string) {
	debugfs, err := disk.LookPath("debugfs")
	if err != nil {
		return "", ""
	}
	res, err := run.Run(ctx, host.Command(debugfs, "-R", "cat "+node.Path, fmt.Sprintf("%s?offset=%d", device, start)))
	if err != nil {
		return "", ""
	}
	var file struct{ Name, Cluster string }
	if err := json.Unmarshal(res.Stdout, &file); err != nil {
		return "", ""
	}
	return file.Name, file.Cluster
}
