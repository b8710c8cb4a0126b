package card

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/host"
)

// tree is the /sys and /proc of a computer with everything that a disk can be. A
// content that begins with "-> " is the target of a link.
type tree map[string]string

// disk adds a disk: the directory in /sys/devices that it lies in, its name, its
// number and its size in sectors.
func (t tree) disk(bus, name, number, sectors string, files tree) {
	dir := "/sys/devices/" + bus + "/block/" + name
	t["/sys/block/"+name] = "-> .." + strings.TrimPrefix(dir, "/sys")
	t["/sys/class/block/"+name] = "-> ../.." + strings.TrimPrefix(dir, "/sys")
	t["/sys/dev/block/"+number] = "-> ../.." + strings.TrimPrefix(dir, "/sys")
	for name, text := range (tree{"/dev": number, "/uevent": "DEVNAME=" + name, "/size": sectors, "/ro": "0", "/removable": "0",
		"/queue/logical_block_size": "512"}) {
		t[dir+name] = text
	}
	for name, text := range files {
		t[dir+name] = text
	}
}

// part adds a partition to a disk.
func (t tree) part(bus, disk, name, number, n, start, sectors string) {
	dir := "/sys/devices/" + bus + "/block/" + disk + "/" + name
	t["/sys/class/block/"+name] = "-> ../.." + strings.TrimPrefix(dir, "/sys")
	t["/sys/dev/block/"+number] = "-> ../.." + strings.TrimPrefix(dir, "/sys")
	for name, text := range (tree{"/dev": number, "/uevent": "DEVNAME=" + name, "/partition": n, "/start": start, "/size": sectors}) {
		t[dir+name] = text
	}
}

const (
	usb   = "pci0000:00/0000:00:14.0/usb1/1-4"
	usb3  = "pci0000:00/0000:00:14.0/usb2/2-1"
	slot  = "pci0000:00/0000:02:00.0/mmc_host/mmc0/mmc0:aaaa"
	board = "pci0000:00/0000:00:1a.0/mmc_host/mmc1/mmc1:0001"
	nvme  = "pci0000:00/0000:01:00.0/nvme/nvme0"
	sata  = "pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0"
)

// computer is a notebook with an encrypted system, a swap disk and five things plugged in.
func computer() tree {
	t := tree{
		"/proc/self/mountinfo": `22 1 254:0 / / rw - ext4 /dev/mapper/root rw
23 22 259:1 / /boot/efi rw - vfat /dev/nvme0n1p1 rw
24 22 8:33 / /media/pi/my\040photos rw - vfat /dev/sdc1 rw
25 22 0:44 / /media/pi/backup rw - btrfs /dev/sdd1 rw
26 22 0:5 / /proc rw - proc proc rw
`,
		"/proc/swaps":                        "Filename Type Size Used Priority\n/dev/sde1 partition 1 0 -2\n/swapfile file 1 0 -3\n",
		"/dev/mapper/root":                   "-> ../dm-0",
		"/sys/devices/" + usb + "/idVendor":  "0781",
		"/sys/devices/" + usb + "/serial":    "4C530001",
		"/sys/devices/" + usb3 + "/idVendor": "04e8",
	}
	t.disk(nvme, "nvme0n1", "259:0", "1000215216", tree{"/device/model": "Samsung SSD 980", "/device/serial": "S64DNL0"})
	t.part(nvme, "nvme0n1", "nvme0n1p1", "259:1", "1", "2048", "1048576")
	t.part(nvme, "nvme0n1", "nvme0n1p2", "259:2", "2", "1050624", "999164592")
	t["/sys/devices/"+nvme+"/block/nvme0n1/nvme0n1p2/holders/dm-0"] = "-> ../../dm-0"
	t.disk("virtual", "dm-0", "254:0", "999000000", tree{"/dm/name": "root"})
	// A reader with a card of ours in it, and one without any.
	t.disk(usb+"/1-4:1.0/host6/target6:0:0/6:0:0:0", "sda", "8:0", "62333952", tree{"/removable": "1", "/device/vendor": "SanDisk ", "/device/model": "Ultra           "})
	t.part(usb+"/1-4:1.0/host6/target6:0:0/6:0:0:0", "sda", "sda1", "8:1", "1", "16384", "1048576")
	t.disk(usb+"/1-4:1.0/host6/target6:0:0/6:0:0:1", "sdb", "8:16", "0", tree{"/removable": "1"})
	// USB sticks that are mounted, and a USB disk.
	t.disk(usb3+"/2-1:1.0/host7/target7:0:0/7:0:0:0", "sdc", "8:32", "31116288", tree{"/removable": "1"})
	t.part(usb3+"/2-1:1.0/host7/target7:0:0/7:0:0:0", "sdc", "sdc1", "8:33", "1", "2048", "31114240")
	t.disk(usb3+"/2-1:1.0/host8/target8:0:0/8:0:0:0", "sdd", "8:48", "31116288", nil)
	t.part(usb3+"/2-1:1.0/host8/target8:0:0/8:0:0:0", "sdd", "sdd1", "8:49", "1", "2048", "31114240")
	t.disk(usb3+"/2-1:1.0/host9/target9:0:0/9:0:0:0", "sdg", "8:96", "1953525168", tree{"/device/model": "Portable SSD T7"})
	// Disks inside.
	t.disk(sata, "sde", "8:64", "31116288", nil)
	t.part(sata, "sde", "sde1", "8:65", "1", "2048", "31114240")
	t.disk(sata+"1", "sdf", "8:80", "31116288", tree{"/holders/md0": "-> ../../md0"})
	t.disk("virtual", "md0", "9:0", "31116000", nil)
	t.disk(sata+"2", "sr0", "11:0", "2097151", tree{"/removable": "1"})
	// The slot for SD cards, and what is soldered in.
	t.disk(slot, "mmcblk0", "179:0", "15523840", tree{"/device/type": "SD", "/device/name": "SC16G", "/device/serial": "0x53a1", "/ro": "1"})
	t.disk(board, "mmcblk1", "179:8", "61071360", tree{"/device/type": "MMC", "/device/name": "DA4032"})
	t.disk(sata+"3", "sdh", "8:112", "7814037168", tree{"/queue/logical_block_size": "4096", "/removable": "1"})
	return t
}

// machine lays a tree into a folder.
func (t tree) machine(tb testing.TB) Machine {
	tb.Helper()
	dir := tb.TempDir()
	for name, text := range t {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			tb.Fatal(err)
		}
		var err error
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			err = os.Symlink(target, full)
		} else {
			err = os.WriteFile(full, []byte(strings.TrimSpace(text)+"\n"), 0o644)
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	files, err := host.OpenFiles(dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { files.Close() })
	return Machine{files}
}

func TestDevicesAreWhatTheyAre(t *testing.T) {
	devices, err := computer().machine(t).Devices()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range devices {
		words := []string{d.What()}
		if d.Removable {
			words = append(words, "removable")
		}
		for _, list := range [][]string{d.System, d.Mounted, d.Held} {
			words = append(words, strings.Join(list, "+"))
		}
		got[d.Path] = strings.Join(words, "; ")
	}
	want := map[string]string{
		"/dev/dm-0":    "511.49 GB; /; ; ",
		"/dev/md0":     "15.93 GB; ; ; ",
		"/dev/mmcblk0": "SC16G, 7.95 GB, serial 0x53a1; removable; ; ; ",
		"/dev/mmcblk1": "DA4032, 31.27 GB; ; ; ",
		"/dev/nvme0n1": "Samsung SSD 980, 512.11 GB, serial S64DNL0; /boot/efi+/; ; root",
		"/dev/sda":     "SanDisk Ultra, 31.91 GB, serial 4C530001; removable; ; ; ",
		"/dev/sdc":     "15.93 GB; removable; ; /media/pi/my photos; ",
		"/dev/sdd":     "15.93 GB; removable; ; /media/pi/backup; ",
		"/dev/sde":     "15.93 GB; swap; ; ",
		"/dev/sdf":     "15.93 GB; ; ; md0",
		"/dev/sdg":     "Portable SSD T7, 1000.20 GB; removable; ; ; ",
		"/dev/sdh":     "4000.79 GB; removable; ; ; ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the disks (-want +got):\n%s", diff)
	}
}

func TestWhatIsRefused(t *testing.T) {
	const image = 4 << 30
	m := computer().machine(t)
	tests := map[string]struct {
		number       string
		size         int64
		allow        Allow
		reason, hint string
	}{
		"nothing of a card that fits":       {"8:0", image, Allow{}, "", ""},
		"the disk below the system":         {"259:0", image, Allow{true, true}, "/dev/nvme0n1 is a disk of this system (/boot/efi, /)", "--list"},
		"the volume of the system itself":   {"254:0", image, Allow{true, true}, "/dev/dm-0 is a disk of this system (/)", "--list"},
		"one with swap":                     {"8:64", image, Allow{true, true}, "/dev/sde is a disk of this system (swap)", "--list"},
		"one in a RAID":                     {"8:80", image, Allow{true, true}, "/dev/sdf is part of md0", "mdadm --stop"},
		"a mounted one":                     {"8:32", image, Allow{true, true}, "/dev/sdc is mounted at /media/pi/my photos", "umount '/media/pi/my photos'"},
		"a mounted btrfs":                   {"8:48", image, Allow{true, true}, "/dev/sdd is mounted at /media/pi/backup", "umount /media/pi/backup"},
		"a reader without a card":           {"8:16", image, Allow{true, true}, "/dev/sdb has no card in it", "put one in"},
		"a locked card":                     {"179:0", image, Allow{true, true}, "/dev/mmcblk0 takes no writes", "the lock at the side"},
		"soldered flash":                    {"179:8", image, Allow{Large: true}, "/dev/mmcblk1 (DA4032, 31.27 GB) is not removable", "--allow-fixed"},
		"but not when it is allowed":        {"179:8", image, Allow{Fixed: true}, "", ""},
		"a large disk":                      {"8:96", image, Allow{Fixed: true}, "/dev/sdg (Portable SSD T7, 1000.20 GB) is larger than 256 GB", "--allow-large"},
		"but not when it is allowed either": {"8:96", image, Allow{Large: true}, "", ""},
		"one that is too small":             {"8:0", 32 << 30, Allow{true, true}, "/dev/sda has 31.91 GB, and the image needs 34.36 GB", "root_size"},
		"one with other sectors":            {"8:112", image, Allow{true, true}, "/dev/sdh has sectors of 4096 bytes, and images are made for 512", "another"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, err := m.device(tt.number)
			if err != nil {
				t.Fatal(err)
			}
			reason, hint := "", ""
			var r *Refusal
			if errors.As(Refuse(d, tt.size, tt.allow), &r) {
				reason, hint = r.Reason, r.Hint
			}
			if reason != tt.reason || !strings.Contains(hint, tt.hint) {
				t.Errorf("got %q, hint %q\nwant %q, hint %q", reason, hint, tt.reason, tt.hint)
			}
		})
	}
}

func TestAPartitionLeadsToItsDisk(t *testing.T) {
	d, err := computer().machine(t).device("8:1")
	if err != nil || d.Path != "/dev/sda" || d.Number != "8:0" || d.Serial != "4C530001" {
		t.Errorf("8:1 is on %+v, %v; want /dev/sda", d, err)
	}
}

func TestFindRefusesWhatIsNoDevice(t *testing.T) {
	m := computer().machine(t)
	for name, want := range map[string]string{
		"/dev/null":        "/dev/null is not a block device",
		t.TempDir():        " is not a block device",
		"/dev/nosuchthing": "/dev/nosuchthing is not there",
	} {
		if _, err := m.Find(name); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("Find(%s): %v, want %s", name, err, want)
		}
	}
}

func TestLookSaysWhenItMayNot(t *testing.T) {
	d := Device{Path: filepath.Join(t.TempDir(), "none"), Partitions: []Partition{{Number: 1}}}
	d.Look(context.Background(), host.Exec{})
	if !strings.Contains(d.Holds(), "unknown: ") {
		t.Errorf("it holds %q", d.Holds())
	}
}
