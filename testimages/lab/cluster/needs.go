package cluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// needs are the programs that a lab starts, and the Debian packages that have them.
var needs = []struct{ program, packaged string }{
	{"systemd-nspawn", "systemd-container"}, {"dnsmasq", "dnsmasq-base"}, {"ip", "iproute2"}, {"nft", "nftables"},
	{"mount", "mount"}, {"losetup", "mount"}, {"nsenter", "util-linux"}, {"e2fsck", "e2fsprogs"}, {"resize2fs", "e2fsprogs"},
}

// checkNeeds tells everything at once that a lab lacks here.
func checkNeeds() error {
	if err := checkRoot(); err != nil {
		return err
	}
	var missing, install []string
	for _, n := range needs {
		if _, err := exec.LookPath(n.program); err != nil {
			missing, install = append(missing, n.program), append(install, n.packaged)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the lab needs %s; type: apt install %s", strings.Join(missing, ", "), strings.Join(install, " "))
	}
	return nil
}

func checkRoot() error {
	if os.Geteuid() != 0 {
		return errors.New("the lab needs root: type sudo before it")
	}
	return nil
}
