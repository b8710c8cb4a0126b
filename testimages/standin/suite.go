package main

import (
	"fmt"
	"strings"
)

// suite is what differs between the Debian suites that Raspberry Pi OS is made
// of.
type suite struct {
	name           string
	clusterSectors int    // of the FAT filesystem
	features       string // of ext4, beyond those both suites have
	bootWords      string // the end of cmdline.txt
}

// suites are the suites a stand-in can be made of.
var suites = []suite{
	{name: "trixie", clusterSectors: 1, features: ",metadata_csum_seed,orphan_file", bootWords: "resize"},
	{name: "bookworm", clusterSectors: 4, bootWords: "quiet init=/usr/lib/raspberrypi-sys-mods/firstboot"},
}

// findSuite gives the suite called name.
func findSuite(name string) (suite, error) {
	var known []string
	for _, s := range suites {
		if s.name == name {
			return s, nil
		}
		known = append(known, s.name)
	}
	return suite{}, fmt.Errorf("no stand-in can be made of suite %q: try -suite %s", name, strings.Join(known, " or "))
}

// mke2fsConf is the suite's own mke2fs.conf, as far as ext4 reads it.
func (s suite) mke2fsConf() []byte {
	return []byte(`[defaults]
	base_features = sparse_super,large_file,filetype,resize_inode,dir_index,ext_attr
	default_mntopts = acl,user_xattr
	enable_periodic_fsck = 0
	blocksize = 4096
	inode_size = 256
	inode_ratio = 16384

[fs_types]
	ext4 = {
		features = has_journal,extent,huge_file,flex_bg,metadata_csum,64bit,dir_nlink,extra_isize` + s.features + `
	}
`)
}

// cmdline is the content of cmdline.txt.
func (s suite) cmdline(diskID uint32) string {
	return fmt.Sprintf("console=serial0,115200 console=tty1 root=PARTUUID=%08x-02 rootfstype=ext4 fsck.repair=yes rootwait %s\n",
		diskID, s.bootWords)
}

// fstab is the content of /etc/fstab.
func (s suite) fstab(diskID uint32) string {
	return fmt.Sprintf(`proc            /proc           proc    defaults          0       0
PARTUUID=%08[1]x-01  /boot/firmware  vfat    defaults          0       2
PARTUUID=%08[1]x-02  /               ext4    defaults,noatime  0       1
`, diskID)
}
