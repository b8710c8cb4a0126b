package steps

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// Sizes on the card of these tests, in sectors of 512 bytes.
const (
	mib   = 2048
	gib   = 1024 * mib
	start = 3592 * mib // first sector of the brick's partition
)

var storage = node.File{
	Version: node.Version, Cluster: "berries", Name: "cluster01", Role: node.Storage,
	Brick: &node.Brick{Label: "berry-brick", Mount: "/export", Dir: "/export/brick"},
}

// sd is a card in a machine: what is on it, and what the kernel has made of it.
type sd struct {
	disk       int64 // sectors
	table      int64 // sectors of the brick's partition in the table
	kernel     int64 // and as the kernel knows it
	filesystem int64 // sectors that its filesystem takes up
	mount      string
	dir        bool
}

// flashed is a card right after flashing, in its first boot.
func flashed() sd {
	return sd{disk: 32 * gib, table: 256 * mib, kernel: 256 * mib, filesystem: 256 * mib, mount: mounted}
}

// grown is a card on which nothing is left to do.
func grown() sd {
	s := 32*gib - int64(start)
	return sd{disk: 32 * gib, table: s, kernel: s, filesystem: s, mount: mounted, dir: true}
}

const mounted = "40 27 179:3 / /export rw,noatime shared:31 - ext4 /dev/mmcblk0p3 rw\n"

// put makes the machine be as s says.
func (s sd) put(h *hosttest.Host) {
	const disk = "/sys/devices/platform/mmc0/block/mmcblk0/"
	h.Write(disk+"uevent", "DEVNAME=mmcblk0\n")
	h.Write(disk+"size", fmt.Sprintln(s.disk))
	for _, p := range []struct {
		number      int
		start, size int64
		label       string
		fs          int64
	}{{1, 8 * mib, 512 * mib, "", 0}, {2, 520 * mib, 3 * gib, "rootfs", 3 * gib}, {3, start, s.kernel, "berry-brick", s.filesystem}} {
		name := fmt.Sprintf("mmcblk0p%d", p.number)
		h.Write(disk+name+"/uevent", "DEVNAME="+name+"\n")
		h.Write(disk+name+"/partition", fmt.Sprintln(p.number))
		h.Write(disk+name+"/dev", fmt.Sprintf("179:%d\n", p.number))
		h.Write(disk+name+"/start", fmt.Sprintln(p.start))
		h.Write(disk+name+"/size", fmt.Sprintln(p.size))
		h.Write("/dev/"+name, superblock(p.label, p.fs))
	}
	h.Write("/proc/self/mountinfo", "27 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw\n"+s.mount)
	if s.dir {
		h.Write("/export/brick/", "")
	}
}

// superblock is the beginning of an ext4 filesystem with blocks of 4 KiB.
func superblock(label string, sectors int64) string {
	b := make([]byte, 2048)
	binary.LittleEndian.PutUint32(b[1024+0x04:], uint32(sectors/8))
	binary.LittleEndian.PutUint32(b[1024+0x18:], 2)
	if sectors > 0 {
		binary.LittleEndian.PutUint16(b[1024+0x38:], 0xEF53)
	}
	copy(b[1024+0x78:], label)
	return string(b)
}

// sfdisk is the table as sfdisk prints it, with more entries at its end.
func (s sd) sfdisk(more ...string) hosttest.Exchange {
	entries := append([]string{
		`{"node": "/dev/mmcblk0p1", "start": 16384, "size": 1048576, "type": "c"}`,
		`{"node": "/dev/mmcblk0p2", "start": 1064960, "size": 6291456, "type": "83"}`,
		fmt.Sprintf(`{"node": "/dev/mmcblk0p3", "start": %d, "size": %d, "type": "83"}`, int64(start), s.table),
	}, more...)
	return hosttest.Exchange{Cmd: "sfdisk --json /dev/mmcblk0", Stdout: fmt.Sprintf(
		`{"partitiontable": {"label": "dos", "unit": "sectors", "sectorsize": 512, "partitions": [%s]}}`, strings.Join(entries, ","))}
}

// machine is a node with the card s, and the transcript of what runs on it.
func machine(t *testing.T, s sd, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	h := hosttest.New(t, map[string]string{
		"/sys/dev/block/179:2": "-> ../../devices/platform/mmc0/block/mmcblk0/mmcblk0p2",
	}, transcript...)
	s.put(h)
	return h
}

const writesTable = "sfdisk --no-reread --no-tell-kernel --wipe never --wipe-partitions never -N 3 /dev/mmcblk0"

// TestCardGoesOnAfterAnyCut starts where a cut may have left the card, and wants
// exactly what was missing to be done.
func TestCardGoesOnAfterAnyCut(t *testing.T) {
	const want = 32*gib - start
	tests := []struct {
		name  string
		left  func(*sd)
		cmds  []string
		units []string
		end   status.State
	}{
		{"a flashed card", func(s *sd) { *s = flashed() }, []string{writesTable, "partx", "resize2fs"}, nil, status.Done},
		{"a flashed card, not mounted", func(s *sd) { *s = flashed(); s.mount = "" },
			[]string{writesTable, "partx", "resize2fs"}, []string{"start export.mount"}, status.Done},
		{"after sfdisk, the program was killed", func(s *sd) { s.kernel, s.filesystem, s.dir = 256*mib, 256*mib, false },
			[]string{"partx", "resize2fs"}, nil, status.Done},
		{"after sfdisk, the power was cut", func(s *sd) { s.filesystem, s.dir = 256*mib, false }, []string{"resize2fs"}, nil, status.Done},
		{"in resize2fs", func(s *sd) { s.filesystem, s.dir = 20*gib, false }, []string{"resize2fs"}, nil, status.Done},
		{"after resize2fs", func(s *sd) { s.dir = false }, nil, nil, status.Done},
		{"after everything", func(*sd) {}, nil, nil, status.AlreadyDone},
		{"a partition 7 MiB short", func(s *sd) { s.table, s.kernel = want-7*mib, want-7*mib }, nil, nil, status.AlreadyDone},
		{"a filesystem 7 MiB short", func(s *sd) { s.filesystem = want - 7*mib }, nil, nil, status.AlreadyDone},
		{"an unmounted card that is grown", func(s *sd) { s.mount = "" }, nil, []string{"start export.mount"}, status.Done},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := grown()
			tt.left(&s)
			r := &reality{sd: s, t: t}
			r.host = machine(t, s)
			r.host.Runner = r
			r.host.Units.Then = r.mountBrick
			got := run(t, r.host, storage, Card{})
			if diff := cmp.Diff(status.Step{Name: "card", State: tt.end}, got); diff != "" {
				t.Errorf("the step ended (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.cmds, r.ran); diff != "" {
				t.Errorf("it ran (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.units, r.host.Units.Asked); diff != "" {
				t.Errorf("it asked systemd to (-want +got):\n%s", diff)
			}
			if info, err := r.host.Files.Stat("/export/brick"); err != nil || info.Mode().String() != "drwxr-xr-x" {
				t.Errorf("/export/brick: %v, %v", info, err)
			}
		})
	}
}

func TestCardRefuses(t *testing.T) {
	s := grown()
	tests := []struct {
		name   string
		change func(*hosttest.Host)
		table  []hosttest.Exchange
		want   string
	}{
		{"a partition behind the brick", nil, []hosttest.Exchange{s.sfdisk(`{"node": "/dev/mmcblk0p4", "start": 67000000, "size": 8}`)},
			"partition table of /dev/mmcblk0: /dev/mmcblk0p4 lies behind /dev/mmcblk0p3, which so cannot grow"},
		{"a disk without the label", func(h *hosttest.Host) { h.Write("/dev/mmcblk0p3", superblock("data", gib)) }, nil,
			"no partition of /dev/mmcblk0 is labelled berry-brick"},
		{"two partitions with the label", func(h *hosttest.Host) { h.Write("/dev/mmcblk0p1", superblock("berry-brick", gib)) }, nil,
			"2 partitions of /dev/mmcblk0 are labelled berry-brick"},
		{"the root filesystem with the label", func(h *hosttest.Host) {
			h.Write("/dev/mmcblk0p3", superblock("data", gib))
			h.Write("/dev/mmcblk0p2", superblock("berry-brick", gib))
		}, nil, "/dev/mmcblk0p2 is labelled berry-brick, but is the root filesystem"},
		{"a GPT", nil, []hosttest.Exchange{{Cmd: "sfdisk --json /dev/mmcblk0", Stdout: `{"partitiontable": {"label": "gpt", "sectorsize": 512}}`}},
			`partition table of /dev/mmcblk0: it is "gpt" in sectors of 512 bytes, want "dos" in sectors of 512`},
		{"a table that sfdisk cannot read", nil, []hosttest.Exchange{{Cmd: "sfdisk --json /dev/mmcblk0", Fails: "it smells"}},
			"cannot read the partition table of /dev/mmcblk0: sfdisk --json /dev/mmcblk0: exit status 1: it smells"},
		{"a table without the brick", nil, []hosttest.Exchange{{Cmd: "sfdisk --json /dev/mmcblk0", Stdout: `{"partitiontable": {"label": "dos", "sectorsize": 512}}`}},
			"partition table of /dev/mmcblk0: it has no entry for /dev/mmcblk0p3"},
		{"a brick that lies elsewhere in the table", func(h *hosttest.Host) { h.Write("/sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p3/start", "8\n") },
			[]hosttest.Exchange{s.sfdisk()},
			"partition table of /dev/mmcblk0: /dev/mmcblk0p3 starts at sector 7356416, but the kernel knows it at 8; type: reboot"},
		{"a partition that the kernel takes for longer", func(h *hosttest.Host) {
			h.Write("/sys/devices/platform/mmc0/block/mmcblk0/mmcblk0p3/size", "99999999\n")
		}, []hosttest.Exchange{s.sfdisk()},
			"the kernel takes /dev/mmcblk0p3 for 48828 MiB, but it has 29176 MiB in the partition table; type: reboot"},
		{"a mount from another card", func(h *hosttest.Host) {
			h.Write("/proc/self/mountinfo", "27 1 179:2 / / rw - ext4 /dev/root rw\n40 27 8:3 / /export rw - ext4 /dev/sda3 rw\n")
		}, []hosttest.Exchange{s.sfdisk()},
			"/export is mounted from /dev/sda3 (8:3), not from /dev/mmcblk0p3 (179:3); take any other card out of the machine and type: reboot"},
		{"a root filesystem without a card", func(h *hosttest.Host) {
			h.Write("/proc/self/mountinfo", "27 1 0:31 / / rw - overlay overlay rw\n")
		}, nil, "the root filesystem is not on a partition of a card"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := machine(t, s, tt.table...)
			if tt.change != nil {
				tt.change(h)
			}
			want := status.Step{Name: "card", State: status.Failed, Error: tt.want}
			if diff := cmp.Diff(want, run(t, h, storage, Card{})); diff != "" {
				t.Errorf("the step ended (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCardSaysWhatItCannotMend(t *testing.T) {
	readOnly := grown()
	readOnly.mount = "40 27 179:3 / /export rw shared:31 - ext4 /dev/mmcblk0p3 ro,errors=remount-ro\n"
	h := machine(t, readOnly, readOnly.sfdisk(), readOnly.sfdisk(), readOnly.sfdisk())
	want := status.Step{Name: "card", State: status.Failed,
		Error: "still not as it should be: /export takes no writes; type: journalctl -k -g /dev/mmcblk0p3"}
	if diff := cmp.Diff(want, run(t, h, storage, Card{})); diff != "" {
		t.Errorf("read-only (-want +got):\n%s", diff)
	}
	small := grown()
	small.filesystem = 256 * mib
	h = machine(t, small, small.sfdisk(), small.sfdisk(), hosttest.Exchange{Cmd: "resize2fs /dev/mmcblk0p3", Fails: "no space"})
	want.Error = "cannot grow the filesystem on /dev/mmcblk0p3: resize2fs /dev/mmcblk0p3: exit status 1: no space"
	if diff := cmp.Diff(want, run(t, h, storage, Card{})); diff != "" {
		t.Errorf("a failing resize2fs (-want +got):\n%s", diff)
	}
}

func TestCardInAContainerOnlyWantsTheMount(t *testing.T) {
	const overlay = "27 1 0:31 / / rw - overlay overlay rw\n"
	files := map[string]string{"/proc/self/mountinfo": overlay, "/run/systemd/container": "systemd-nspawn"}
	h := hosttest.New(t, files)
	want := status.Step{Name: "card", State: status.Failed, Error: "still not as it should be: nothing is mounted at /export"}
	if diff := cmp.Diff(want, run(t, h, storage, Card{})); diff != "" {
		t.Errorf("without the mount (-want +got):\n%s", diff)
	}
	files["/proc/self/mountinfo"] = overlay + "40 27 7:0 / /export rw - ext4 /dev/loop0 rw\n"
	h = hosttest.New(t, files)
	if got := run(t, h, storage, Card{}); got.State != status.Done || !h.Files.Exists("/export/brick") {
		t.Errorf("with the mount: %+v", got)
	}
}

func TestTarget(t *testing.T) {
	tests := []struct {
		name               string
		disk, start, bytes int64
		want               int64
	}{
		{"the rest of the card", 32 * gib, 4 * gib, 0, 28 * gib},
		{"a card that ends between two MiB", 32*gib + 1000, 4 * gib, 0, 28 * gib},
		{"the size asked for", 32 * gib, 4 * gib, 10 << 30, 10 * gib},
		{"a size between two MiB", 32 * gib, 4 * gib, 10<<30 + 5000, 10 * gib},
		{"a card too small for the size asked for", 8 * gib, 4 * gib, 10 << 30, 4 * gib},
		{"a disk of 4 TiB, of which an MBR reaches half", 4096 * gib, 4 * gib, 0, 2044 * gib},
		{"the largest size there is", 32 * gib, 4 * gib, 1<<63 - 1, 28 * gib},
	}
	for _, tt := range tests {
		if got := target(tt.disk, tt.start, tt.bytes); got != tt.want {
			t.Errorf("%s: %d MiB, want %d MiB", tt.name, got/mib, tt.want/mib)
		}
	}
}
