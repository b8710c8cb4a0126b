//go:build lab

package clustertest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"berries/firstboot/host"
	"berries/testimages/lab/labtest"
)

// TestInstallerLab has a server that was not flashed become the balancer. It is the
// balancer's image with everything of ours hidden, and what was its pool is the archive
// that its apt knows.
func TestInstallerLab(t *testing.T) {
	const name = "balancer"
	c := begin(t, labtest.Folder(t), name)
	c.unflash(t, name)
	each(t, c.lab.Start, name)
	c.ask(t, name, "mv /var/lib/berry/pool /srv/archive && rm -r /var/lib/berry && rm /etc/apt/sources.list.d/* && echo 'deb [trusted=yes] file:/srv/archive ./' >/etc/apt/sources.list")
	const keys = "cat /etc/ssh/ssh_host_*_key.pub"
	before := c.ask(t, name, keys)

	script := filepath.Join(t.TempDir(), name+".install")
	if _, err := (host.Exec{}).Run(t.Context(), host.Command(os.Getenv("BERRY_BIN"), "installer", filepath.Join(labtest.Folder(t), "berries.yaml"), name, "-o", filepath.Dir(script))); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	copied := host.Command("sh", "-c", "cat >/root/balancer.install && chmod 700 /root/balancer.install")
	copied.Stdin = strings.NewReader(string(text))
	if _, err := (on{c.lab, name}).Run(t.Context(), copied); err != nil {
		t.Fatal(err)
	}
	for _, what := range []string{"for the first time", "again"} {
		began := time.Now()
		res, err := c.lab.Exec(t.Context(), name, "/root/balancer.install")
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s, it took %s:\n%s", what, seconds(time.Since(began)), res.Stdout)
		c.balances(t, name)
	}
	if got := c.ask(t, name, keys); got != before {
		t.Errorf("the server's SSH host keys are\n%s\nand were\n%s", got, before)
	}
	if got := c.ask(t, name, "hostname; ls /var/tmp | grep '^berry' || true"); got != name {
		t.Errorf("host name, and what is left of the installer: %q", got)
	}

	if err := c.lab.Stop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	each(t, c.lab.Start, name)
	c.ready(t, name)
	c.balances(t, name)
}

// unflash hides what the image of a node has of us: what is left is a Debian server.
func (c *whole) unflash(t *testing.T, name string) {
	t.Helper()
	if err := c.lab.Mask(t.Context(), name); err != nil { // it has its card then
		t.Fatal(err)
	}
	const units = "usr/lib/systemd/system/berry-"
	for _, ours := range []string{"etc/berry", "usr/lib/berry", units + "firstboot.service", "etc/systemd/system/multi-user.target.wants/berry-firstboot.service"} {
		hidden := filepath.Join(c.lab.Written(name), ours)
		if err := os.MkdirAll(filepath.Dir(hidden), 0o755); err != nil {
			t.Fatal(err)
		}
		// What overlayfs takes for removed (Documentation/filesystems/overlayfs.rst).
		if err := unix.Mknod(hidden, unix.S_IFCHR, 0); err != nil {
			t.Fatal(err)
		}
	}
}

// balances waits until the balancer answers a visitor, for members that are not there.
func (c *whole) balances(t *testing.T, name string) {
	t.Helper()
	s, err := c.lab.State(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	within(t, askLimit, "the balancer answers", func() bool {
		res, err := c.web.Get("http://" + s.Address.String() + "/")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != ""
	})
}
