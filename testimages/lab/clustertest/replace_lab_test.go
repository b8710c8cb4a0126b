//go:build lab

package clustertest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"berries/firstboot/status"
)

// replaced is the node whose card is replaced, and writer one that goes on.
const (
	replaced = "cluster02"
	writer   = "cluster01"
)

// newCard gives a node a new card and waits until it has taken the old one's place.
// As long as it lacks files it serves nobody, and when it serves the first time it has
// all that was written before.
func (c *whole) newCard(t *testing.T, label string) {
	t.Helper()
	c.furnished(t, writer)
	probe := probeOf(c.site)
	if err := c.lab.Eject(t.Context(), replaced, label); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	each(t, c.lab.Start, replaced)
	var first time.Duration
	end := c.watch(t, replaced, probe, func(code int, body string) bool {
		if code == http.StatusOK && first == 0 {
			first = time.Since(began)
			if is := c.brick(t, replaced); !includes(is, c.site) {
				t.Errorf("%s serves files when its brick has %d of %d", replaced, common(is, c.site), len(c.site))
			}
		}
		return code == http.StatusOK || first == 0 && unserved(code, body)
	})
	c.ready(t, replaced)
	t.Logf("the new card is ready after %s", seconds(time.Since(began)))
	counts := end()
	t.Logf("until then it has answered (by code) %v, with the first file after %s", counts, seconds(first))
}

// probeOf is the path of a page.
func probeOf(written listing) string {
	for path, what := range written {
		if strings.HasSuffix(path, "/page-500.html") && strings.HasPrefix(what, "file ") {
			return "/" + strings.ReplaceAll(path, " ", "%20")
		}
	}
	return "/page-500.html"
}

// common counts what two listings agree on.
func common(a, b listing) int {
	n := 0
	for path, what := range b {
		if a[path] == what {
			n++
		}
	}
	return n
}

func includes(is, written listing) bool { return common(is, written) == len(written) }

// replaceWhileWritten replaces a card while somebody writes into the volume.
func replaceWhileWritten(t *testing.T, c *whole) {
	mount := c.file(t, writer).Gluster.Mount
	c.ask(t, writer, fmt.Sprintf("mkdir %s/live && rm -f /run/enough && touch %[1]s/live/log", mount))
	done := make(chan error, 1)
	go func() {
		const script = `i=0; while [ ! -e /run/enough ]; do i=$((i+1)); echo "line $i" > %[1]s/live/$i && echo $i >> %[1]s/live/log || exit 1; sleep 0.1; done`
		_, err := c.lab.Exec(t.Context(), writer, "sh", "-c", fmt.Sprintf(script, mount))
		done <- err
	}()
	c.newCard(t, "before-writing")
	c.ask(t, writer, "touch /run/enough")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	lines := c.ask(t, writer, fmt.Sprintf("wc -l < %s/live/log; ls %[1]s/live | wc -l", mount))
	t.Logf("meanwhile %s lines and files were written", strings.ReplaceAll(lines, "\n", " "))
	t.Logf("nothing left to heal %s later", seconds(c.waitHealed(t, writer)))
	c.holdAll(t, c.site)
	c.converged(t)
}

// replace replaces a card, and then puts the old one back.
func replace(t *testing.T, c *whole) {
	mount := c.file(t, writer).Gluster.Mount
	c.ask(t, writer, fmt.Sprintf("echo old > %s/changed; echo old > %[1]s/deleted", mount))
	within(t, askLimit, "the old card has it all", func() bool { return c.brick(t, replaced)["deleted"] != "" && c.healed(t, writer) })
	c.newCard(t, "old")
	if !c.healed(t, writer) {
		t.Error("there is something left to heal when the new card is ready")
	}
	c.holdAll(t, c.site)
	c.converged(t)

	if err := c.lab.Eject(t.Context(), replaced, "new"); err != nil {
		t.Fatal(err)
	}
	if err := c.lab.Insert(replaced, "old"); err != nil {
		t.Fatal(err)
	}
	c.ask(t, writer, fmt.Sprintf("echo new > %s/changed; rm %[1]s/deleted", mount))
	c.refusesOldCard(t)

	if err := c.lab.Eject(t.Context(), replaced, "old"); err != nil {
		t.Fatal(err)
	}
	if err := c.lab.Insert(replaced, "new"); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	each(t, c.lab.Start, replaced)
	c.ready(t, replaced)
	t.Logf("the new card, put back, is ready after %s, and has nothing to heal %s later", seconds(time.Since(began)), seconds(c.waitHealed(t, writer)))
	c.holdAll(t, c.site)
	if is := c.brick(t, replaced); is["deleted"] != "" {
		t.Errorf("a deleted file is back: %s", is["deleted"])
	}
	c.converged(t)
}

// refusesOldCard switches a node with its old card on, and sees to it that nobody gets
// anything of it.
func (c *whole) refusesOldCard(t *testing.T) {
	t.Helper()
	const refused = "this card was replaced: " + replaced + " has another one now"
	each(t, c.lab.Start, replaced)
	began := time.Now()
	ends := map[string]func() map[int]int{replaced: c.watch(t, replaced, "/changed", unserved)}
	for _, name := range others(c.names, replaced) {
		ends[name] = c.watch(t, name, "/changed", func(code int, body string) bool { return code == http.StatusOK && body == "new\n" })
	}
	within(t, askLimit, "the old card is refused", func() bool {
		s, err := c.lab.Status(replaced)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range s.Steps {
			if step.State == status.Failed && strings.HasPrefix(step.Error, refused) {
				return true
			}
		}
		return false
	})
	t.Logf("the old card is refused %s after it was switched on", seconds(time.Since(began)))
	for range 8 { // it tries again
		if got := c.ask(t, replaced, "pgrep -l gluster || true"); got != "" {
			t.Errorf("on the old card runs %s", got)
		}
		time.Sleep(time.Second)
	}
	for _, name := range others(c.names, replaced) {
		if code, body := c.get(t, name, "/deleted"); code != http.StatusNotFound {
			t.Errorf("%s answers for a deleted file with %d %q", name, code, body)
		}
	}
	counts := map[string]map[int]int{}
	for name, end := range ends {
		counts[name] = end()
	}
	t.Logf("answers (by node and code): %v", counts)
}
