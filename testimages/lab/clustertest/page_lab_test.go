//go:build lab

package clustertest

import (
	"fmt"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"

	"berries/firstboot/host"
	"berries/firstboot/page/pagetest"
)

// atHome opens the status page of a node in a browser at home.
func (c *whole) atHome(t *testing.T, name string) *pagetest.Browser {
	t.Helper()
	if c.onlooker == nil {
		var err error
		if c.onlooker, err = c.lab.Attach(t.Context(), "onlooker", netip.MustParseAddr("192.168.2.220")); err != nil {
			t.Fatal(err)
		}
	}
	b := pagetest.Open(t, chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
		there, err := c.onlooker.Command(host.Command(cmd.Path, cmd.Args[1:]...))
		if err == nil {
			cmd.Path, err = exec.LookPath(there.Name)
		}
		if err != nil {
			t.Error(err)
		}
		cmd.Args = append([]string{there.Name}, there.Args...)
	}))
	within(t, askLimit, name+" shows its page", func() bool {
		s, err := c.lab.State(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return s.Address.IsValid() && b.Opens(fmt.Sprintf("http://%s:%d/", s.Address, c.file(t, name).StatusPage.Port))
	})
	return b
}

// says waits until the page says something, and keeps pictures of it.
func says(b *pagetest.Browser, words, picture string) {
	b.Until("the page says "+words, fmt.Sprintf(`document.querySelector("main").innerText.includes(%q)`, words))
	b.Picture("lab-"+picture+"-phone", pagetest.Phone)
	b.Picture("lab-"+picture+"-desk", pagetest.Desk)
}

// shown has the status page of cluster01 show how another node dies, and comes back.
func shown(t *testing.T, c *whole) {
	b := c.atHome(t, "cluster01")
	says(b, "all 5 nodes are ready", "ready")
	if err := c.lab.Cut(t.Context(), "cluster02"); err != nil {
		t.Fatal(err)
	}
	says(b, "silent: cluster02", "one-dead")
	each(t, c.lab.Start, "cluster02")
	c.ready(t, "cluster02")
	says(b, "all 5 nodes are ready", "ready-again")
	if troubles := b.Troubles(); len(troubles) > 0 {
		t.Errorf("the browser complains: %q", troubles)
	}
}
