package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// card is the sysfs of an SD card with three partitions, its links as the
// kernel makes them.
func card() map[string]string {
	const disk = "sys/devices/platform/emmc2/mmc_host/mmc0/block/mmcblk0/"
	m := map[string]string{
		disk + "uevent":       "MAJOR=179\nMINOR=0\nDEVNAME=mmcblk0\nDEVTYPE=disk\n",
		disk + "size":         "62333952\n",
		disk + "queue/depth":  "64\n",
		"sys/dev/block/179:0": "-> ../../devices/platform/emmc2/mmc_host/mmc0/block/mmcblk0",
		"sys/dev/block/179:2": "-> ../../devices/platform/emmc2/mmc_host/mmc0/block/mmcblk0/mmcblk0p2",
	}
	for name, p := range map[string][4]string{
		// sysfs lists them in no order; p3 is put before p2 here.
		"mmcblk0p1": {"1", "16384", "1048576", "179:1"},
		"mmcblk0p2": {"2", "1064960", "6291456", "179:2"},
		"mmcblk0p3": {"3", "7356416", "524288", "179:3"},
	} {
		m[disk+name+"/partition"] = p[0] + "\n"
		m[disk+name+"/start"] = p[1] + "\n"
		m[disk+name+"/size"] = p[2] + "\n"
		m[disk+name+"/dev"] = p[3] + "\n"
		m[disk+name+"/uevent"] = "DEVNAME=" + name + "\nDEVTYPE=partition\n"
	}
	return m
}

func TestDiskOf(t *testing.T) {
	files, _ := tree(t, card())
	want := Disk{
		Path: "/dev/mmcblk0", Sectors: 62333952,
		Partitions: []Partition{
			{Path: "/dev/mmcblk0p1", Device: "179:1", Number: 1, Start: 16384, Sectors: 1048576},
			{Path: "/dev/mmcblk0p2", Device: "179:2", Number: 2, Start: 1064960, Sectors: 6291456},
			{Path: "/dev/mmcblk0p3", Device: "179:3", Number: 3, Start: 7356416, Sectors: 524288},
		},
	}
	for _, device := range []string{"179:2", "179:0"} {
		got, err := (&Host{Files: files}).DiskOf(device)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("disk of %s (-want +got):\n%s", device, diff)
		}
	}
}

func TestDiskOfSaysWhatItCannotRead(t *testing.T) {
	const disk = "sys/devices/platform/emmc2/mmc_host/mmc0/block/mmcblk0/"
	tests := []struct{ name, file, text, device, want string }{
		{"a device that is not there", disk + "size", "8\n", "8:1",
			"cannot read /sys/dev/block/8:1/uevent: no such file or directory"},
		{"a size in words", disk + "size", "many\n", "179:0",
			`/sys/dev/block/179:0/size: strconv.ParseInt: parsing "many": invalid syntax`},
		{"a disk without a device node", disk + "uevent", "MAJOR=179\n", "179:2",
			"/sys/dev/block/179:2/../uevent names no device"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entries := card()
			entries[tt.file] = tt.text
			files, _ := tree(t, entries)
			_, err := (&Host{Files: files}).DiskOf(tt.device)
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}
