package disktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// boot makes the boot partition: the files in its root that matter, enough
// others for several clusters of directory, and the gaps that rsync's temporary
// files and sed -i leave there.
func (m maker) boot() {
	m.t.Helper()
	cluster := map[Suite]string{Trixie: "1", Bookworm: "4"}[m.options.Suite]
	m.run("", "mkfs.vfat", "-F", "32", "-s", cluster, "-n", "bootfs", "-i", "60a1b2c3", "--invariant",
		"--offset", fmt.Sprint(bootStart/512), m.image, fmt.Sprint(bootSize/1024))
	volume := fmt.Sprintf("%s@@%d", m.image, bootStart)
	stage := filepath.Join(m.dir, "bootfs")
	files := m.bootFiles()
	var names, gone []string
	for _, name := range sortedKeys(files) {
		path := filepath.Join(stage, name)
		m.write(path, files[name])
		if strings.HasPrefix(name, ".") {
			gone = append(gone, "::"+name)
		}
		if !strings.Contains(name, "/") {
			names = append(names, path)
		}
	}
	m.setTime(filepath.Join(stage, "overlays"))
	m.run("", "mcopy", append(append([]string{"-m", "-i", volume}, names...), "::")...)
	m.run("", "mcopy", "-s", "-m", "-i", volume, filepath.Join(stage, "overlays"), "::")
	m.run("", "mdel", append([]string{"-i", volume}, gone...)...)
	if m.options.Fault == DirtyFAT {
		m.poke(bootStart+65, 1) // what Linux sets while it is mounted
	}
}

// bootFiles is the content of the boot partition by name. Files that begin with
// a dot are deleted again.
func (m maker) bootFiles() map[string]string {
	id := fmt.Sprintf("%08x", uint32(Signature))
	cmdline := "console=serial0,115200 console=tty1 root=PARTUUID=" + id + "-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n"
	if m.options.Suite == Bookworm {
		cmdline = "console=serial0,115200 console=tty1 root=PARTUUID=" + id + "-02 rootfstype=ext4 fsck.repair=yes rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
	}
	files := map[string]string{
		"cmdline.txt":     cmdline,
		"config.txt":      "# For more options and information see\n# http://rptl.io/configtxt\ndtparam=audio=on\ncamera_auto_detect=1\nauto_initramfs=1\narm_64bit=1\n",
		"issue.txt":       "Raspberry Pi reference 2026-09-15\n",
		"kernel8.img":     strings.Repeat("kernel8\n", 40000),
		"initramfs8":      strings.Repeat("initrd\n", 20000),
		"overlays/README": "device tree overlays\n",
	}
	for _, board := range []string{"2710-rpi-3-b", "2710-rpi-3-b-plus", "2710-rpi-zero-2-w", "2711-rpi-4-b", "2711-rpi-400", "2712-rpi-5-b", "2712-rpi-500"} {
		files["bcm"+board+".dtb"] = board + "\n"
		files[".bcm"+board+".dtb.aBcDeF"] = board + "\n"
		files["overlays/"+board+"-overlay.dtbo"] = board + "\n"
	}
	for _, variant := range []string{"", "4", "4cd", "4db", "4x", "_cd", "_db", "_x"} {
		files["start"+variant+".elf"] = variant + "\n"
		files["fixup"+variant+".dat"] = variant + "\n"
	}
	if m.options.CloudInit {
		files["meta-data"] = "instance_id: rpios-image\n"
		files["user-data"] = "#cloud-config\n"
		files["network-config"] = "# network\n"
	}
	return files
}

// write writes a file that is on its way into the image.
func (m maker) write(path, content string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		m.t.Fatal(err)
	}
	m.setTime(path)
}

func (m maker) setTime(path string) {
	m.t.Helper()
	if err := os.Chtimes(path, Made, Made); err != nil {
		m.t.Fatal(err)
	}
}

// poke changes one byte of the image.
func (m maker) poke(at int64, value byte) {
	m.t.Helper()
	f, err := os.OpenFile(m.image, os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{value}, at); err != nil {
		m.t.Fatal(err)
	}
}
