package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A Raspberry Pi whose card was mounted over the initramfs, with a brick that
// the kernel made read-only after an error.
const piMounts = `1 1 0:2 / / rw - rootfs rootfs rw
27 1 179:2 / / rw,noatime shared:1 - ext4 /dev/root rw
22 27 0:21 / /proc rw,relatime shared:12 master:3 - proc proc rw
40 27 179:1 / /boot/firmware rw,relatime shared:30 - vfat /dev/mmcblk0p1 rw,fmask=0022
41 27 179:3 / /export rw,noatime shared:31 - ext4 /dev/mmcblk0p3 ro,errors=remount-ro
42 27 0:40 / /mnt/with\040space\134 ro,relatime - tmpfs none rw
`

func TestMountAt(t *testing.T) {
	files, _ := tree(t, map[string]string{"proc/self/mountinfo": piMounts})
	h := &Host{Files: files}
	tests := []struct {
		point string
		want  Mount
	}{
		{"/", Mount{Device: "179:2", Point: "/", Type: "ext4", Source: "/dev/root"}},
		{"/export", Mount{Device: "179:3", Point: "/export", Type: "ext4", Source: "/dev/mmcblk0p3", ReadOnly: true}},
		{`/mnt/with space\`, Mount{Device: "0:40", Point: `/mnt/with space\`, Type: "tmpfs", Source: "none", ReadOnly: true}},
		{"/export/brick", Mount{}},
	}
	for _, tt := range tests {
		got, found, err := h.MountAt(tt.point)
		if err != nil || found != (tt.want != Mount{}) {
			t.Errorf("MountAt(%q): found %v, %v", tt.point, found, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("MountAt(%q) (-want +got):\n%s", tt.point, diff)
		}
	}
}

func TestMountAtRefusesALineItCannotRead(t *testing.T) {
	files, _ := tree(t, map[string]string{"proc/self/mountinfo": "27 1 179:2 /\n"})
	_, _, err := (&Host{Files: files}).MountAt("/")
	if want := `/proc/self/mountinfo: line "27 1 179:2 /\n" is not a mount`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestThisMachinesMountsCanBeRead(t *testing.T) {
	files, err := OpenFiles("/")
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	if m, found, err := (&Host{Files: files}).MountAt("/proc"); !found || err != nil || m.Type != "proc" {
		t.Errorf("MountAt(/proc) = %+v, %v, %v", m, found, err)
	}
}
