//go:build lab

package clustertest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berries/firstboot/gluster"
	"berries/firstboot/status"
	"berries/testimages/lab/labtest"
)

// remote is the node that holds the copy.
const remote = "cluster04"

// The limits of geo-replication. A session that stands still is found out after some
// minutes, and started again.
const (
	copyLimit  = 8 * time.Minute
	stopStarts = 20
)

// session is how the session's commands begin.
const session = "gluster --mode=script volume geo-replication volpi geoaccount@" + remote + "::volpi "

// explainCopy tells how geo-replication stands.
func (c *whole) explainCopy(t *testing.T) {
	for _, name := range c.names {
		labtest.Keep(t, name+"-copy", c.try(name, "/usr/lib/berry/berry-firstboot status; tail -n 200 /var/log/glusterfs/geo-replication/*/gsyncd.log /var/log/glusterfs/geo-replication-secondaries/*/gsyncd.log; "+
			"gluster volume geo-replication status; journalctl --no-pager -u ssh | tail -n 100"))
	}
}

// try runs a script on a node, whatever comes of it.
func (c *whole) try(name, script string) string {
	ctx, cancel := contextFor(askLimit)
	defer cancel()
	res, err := c.lab.Exec(ctx, name, "sh", "-c", script+" 2>&1")
	return fmt.Sprintf("%s (%v)", res.Stdout, err)
}

// copyOf is how the copy stands, as a storage node says.
func (c *whole) copyOf(name string) status.Copy {
	ctx, cancel := contextFor(askLimit)
	defer cancel()
	var s struct {
		Copy status.Copy `json:"copy"`
	}
	res, _ := c.lab.Exec(ctx, name, "/usr/lib/berry/berry-firstboot", "status", "--json")
	json.Unmarshal(res.Stdout, &s)
	return s.Copy
}

// proved waits until what was written until now is proved to have arrived.
func (c *whole) proved(t *testing.T, by string) time.Duration {
	t.Helper()
	now := time.Now()
	var last string
	return within(t, copyLimit, "what is written is proved", func() bool {
		time.Sleep(time.Second)
		is := c.copyOf(by)
		if is.State != last {
			last = is.State
			t.Logf("%s after %s: %s", by, seconds(time.Since(now)), is.Text())
		}
		return is.Proven.After(now)
	})
}

// arrives writes a file on a node, and waits until the remote serves it.
func (c *whole) arrives(t *testing.T, writer string) time.Duration {
	t.Helper()
	c.writes++
	path, text := fmt.Sprintf("/copied-%d", c.writes), fmt.Sprintf("%s wrote this as number %d\n", writer, c.writes)
	began := time.Now()
	c.ask(t, writer, fmt.Sprintf("printf %%s '%s' > /mnt/www%s", text, path))
	within(t, copyLimit, path+" is served by "+remote, func() bool {
		code, body := c.get(t, remote, path)
		return code == http.StatusOK && body == text
	})
	return time.Since(began)
}

// mirrored writes, renames and deletes, and compares all of it.
func mirrored(t *testing.T, c *whole) {
	files := 200
	if long() {
		files = 2000
	}
	c.askFor(t, healLimit, "cluster02", fmt.Sprintf(`cd /mnt/www && mkdir -p site/a site/b && for i in $(seq %d); do head -c $((i * 331 %% 70000)) /dev/urandom > site/a/$i.html; done
		head -c 30000000 /dev/urandom > site/big; truncate -s 40M site/holes; echo end >> site/holes; ln -s big site/link; chmod 600 site/a/7.html`, files))
	time.Sleep(20 * time.Second) // so that some of it is there before it changes
	c.ask(t, "cluster03", fmt.Sprintf(`cd /mnt/www/site && for i in $(seq %[1]d); do rm a/$i.html; done; for i in $(seq %[2]d %[3]d); do mv a/$i.html b/moved-$i.html; done
		mv b c; echo more >> a/100.html; echo less > a/101.html; ln a/102.html a/twice.html; rm link`, removed, removed+1, removed+moved))
	began := time.Now()
	within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("%d files, %d of them deleted and %d renamed, are alike by SHA-256 %s after the last change", files, removed, moved, seconds(time.Since(began)))
}

// So many of the files of mirrored are deleted, and so many of the next renamed.
const removed, moved = 40, 40

// alike compares the volume with its copy; "" is that they do not differ.
func (c *whole) alike(t *testing.T) string {
	t.Helper()
	of := func(name string) listing {
		is := c.brick(t, name)
		maps.DeleteFunc(is, func(path, _ string) bool { return path == ".berry" || strings.HasPrefix(path, ".berry/") })
		return is
	}
	return cmp.Diff(of("cluster01"), of(remote))
}

// keyHolder tries what somebody may try who has got hold of a storage node's keys.
func keyHolder(t *testing.T, c *whole) {
	const ssh = "ssh -F /etc/berry/georep/%s %s geoaccount@" + remote + " %s </dev/null 2>&1; code=$?; echo; echo exit $code"
	for _, try := range []struct{ what, key, options, command string }{
		{"a shell", "session", "-tt", ""},
		{"a command", "session", "", "id"},
		{"a command behind a good one", "session", "", "'prove; id'"},
		{"a gluster that changes something", "session", "", "gluster --xml --remote-host=localhost volume stop volpi"},
		{"a program for gsyncd", "session", "", "gsyncd secondary volpi geoaccount@cluster04::volpi --secondary-gluster-command-dir /tmp"},
		{"sftp", "session", "-s", "sftp"},
		{"a session with the other key", "tar", "", "prove"},
		{"tar elsewhere", "tar", "", "tar --overwrite -xf - -C /tmp"},
		{"tar in a process that is not gsyncd's", "tar", "", "tar --overwrite -xf - -C /proc/1/cwd"},
		{"tar that packs", "tar", "", "tar --overwrite -cf - -C /proc/1/cwd"},
		{"to be root", "session", "-l root", "prove"},
		{"to be the owner of the node", "session", "-l pi", "prove"},
		{"a forwarded port", "session", "-o ExitOnForwardFailure=yes -R 9999:localhost:22", "prove"},
		{"a way to another port", "session", "-W localhost:24007", ""},
	} {
		out := c.ask(t, "cluster01", fmt.Sprintf(ssh, try.key, try.options, try.command))
		said := strings.ReplaceAll(out, "\n", "; ")
		t.Logf("%s: %.200s", try.what, said)
		if strings.Contains(out, "uid=") || strings.HasSuffix(out, "exit 0") {
			t.Errorf("%s is not refused: %s", try.what, out)
		}
	}
	// A pickle that runs a program where it is read.
	const id = "11111111-1111-4111-8111-111111111111"
	const pickle = `(printf 'cposix\nsystem\n(S"id > /tmp/pwned"\ntR.'; sleep 20) | timeout 30 ssh -F /etc/berry/georep/session geoaccount@` + remote +
		` gsyncd secondary volpi geoaccount@cluster04::volpi --primary-node cluster01 --primary-node-id ` + id + ` --primary-brick /export/other --local-node cluster04 ` +
		`--local-node-id ` + id + ` --secondary-timeout 10 --secondary-log-level INFO --secondary-gluster-log-level INFO --secondary-gluster-command-dir /usr/sbin ` +
		`--primary-dist-count 1 2>&1; true`
	t.Logf("a program in a message: %.300s", strings.ReplaceAll(c.ask(t, "cluster01", pickle), "\n", "; "))
	// gsyncd's words for a message that it cannot read are that its peer has gone.
	const refused = "secondary cluster01/export/other.*connection to peer is broken"
	if out := c.ask(t, remote, "cat /tmp/pwned 2>/dev/null; grep -h '"+refused+"' /var/log/glusterfs/geo-replication-secondaries/*/gsyncd.log | tail -n 1"); strings.Contains(out, "uid=") || out == "" {
		t.Errorf("a program in a message has run, or it was not read: %q", out)
	}
	if out := c.ask(t, remote, "ps -o user=,args= -C python3 | grep gsyncd.py | cut -c-60 | sort | uniq -c; find / -xdev -user geoaccount -not -path '/proc/*' 2>/dev/null | head -n 20"); out != "" {
		t.Logf("at the remote runs, and is the account's: %s", strings.ReplaceAll(out, "\n", "; "))
	}
}

func remoteOff(t *testing.T, c *whole) {
	each(t, c.lab.Cut, remote)
	began := time.Now()
	c.ask(t, "cluster02", "echo missed > /mnt/www/missed; rm -f /mnt/www/site/a/150.html; mv /mnt/www/site/a/151.html /mnt/www/site/moved-meanwhile.html")
	within(t, copyLimit, "the storage nodes say that the remote is away", func() bool {
		time.Sleep(time.Second)
		return strings.Contains(c.copyOf("cluster01").State, remote+" does not answer")
	})
	t.Logf("cluster01 says after %s: %s", seconds(time.Since(began)), c.copyOf("cluster01").Text())
	began = time.Now()
	each(t, c.lab.Start, remote)
	within(t, copyLimit, "what was missed is served", func() bool {
		code, body := c.get(t, remote, "/missed")
		return code == http.StatusOK && body == "missed\n"
	})
	t.Logf("what was missed is served %s after the remote was switched on", seconds(time.Since(began)))
	within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("all is alike %s after it, and proved after %s more", seconds(time.Since(began)), seconds(c.proved(t, "cluster01")))
}

// active is the node that sends, as another node says.
func (c *whole) active(t *testing.T, by string) string {
	t.Helper()
	var name string
	within(t, copyLimit, "one node is active", func() bool {
		pairs, err := gluster.Client{Runner: on{c.lab, by}}.GeoRepStatus(t.Context(), "volpi", "geoaccount@"+remote+"::volpi")
		i := slices.IndexFunc(pairs, func(p gluster.GeoRepPair) bool { return p.Status == "Active" })
		if err == nil && i >= 0 {
			name = pairs[i].Node
		}
		return name != ""
	})
	return name
}

func activeDies(t *testing.T, c *whole) {
	dies := c.active(t, "cluster01")
	left := others(others(c.names, remote), dies)
	each(t, c.lab.Cut, dies)
	t.Logf("%s, which was active, is dead; a file written on %s is served by %s after %s", dies, left[0], remote, seconds(c.arrives(t, left[0])))
	t.Logf("%s has proved the copy after %s", left[0], seconds(c.proved(t, left[0])))
	t.Logf("%s is active now", c.active(t, left[0]))
	began := time.Now()
	each(t, c.lab.Start, dies)
	c.ready(t, dies)
	t.Logf("%s is back and ready after %s", dies, seconds(time.Since(began)))
	c.waitHealed(t, left[0])
	t.Logf("a file written on %s is served after %s", dies, seconds(c.arrives(t, dies)))
}

func stopsAndStarts(t *testing.T, c *whole) {
	c.ask(t, "cluster02", "rm -f /run/enough; mkdir -p /mnt/www/live")
	done := make(chan error, 1)
	go func() {
		_, err := c.lab.Exec(t.Context(), "cluster02", "sh", "-c", `i=0; while [ ! -e /run/enough ]; do i=$((i+1)); echo "line $i" > /mnt/www/live/$((i % 500)); sleep 0.2; done`)
		done <- err
	}()
	for i := range stopStarts {
		c.ask(t, "cluster03", session+"stop force >/dev/null; "+session+"start")
		t.Logf("stop and start %d: proved after %s", i+1, seconds(c.proved(t, "cluster01")))
	}
	c.ask(t, "cluster02", "touch /run/enough")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	took := within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("all is alike %s after the last write", seconds(took))
}

// startsOffline has the session begin while the remote cannot be reached.
func startsOffline(t *testing.T, c *whole) {
	c.ask(t, "cluster03", session+"stop force")
	c.houses(t, false)
	// The nodes want the session to run, and start it again whatever comes of this.
	t.Logf("gluster says: %s", c.try("cluster03", session+"start"))
	c.ask(t, "cluster02", "echo begun > /mnt/www/begun-offline.txt")
	time.Sleep(time.Minute)
	t.Logf("cluster01 says: %s", c.copyOf("cluster01").Text())
	c.houses(t, true)
	began := time.Now()
	within(t, copyLimit, "the copy is like the volume", func() bool { return c.alike(t) == "" })
	t.Logf("all is alike %s after the house is online again, proved after %s more", seconds(time.Since(began)), seconds(c.proved(t, "cluster01")))
}

func newStorageCard(t *testing.T, c *whole) {
	began := time.Now()
	each(t, c.lab.Wipe, replaced)
	each(t, c.lab.Start, replaced)
	c.ready(t, replaced)
	t.Logf("the new card of %s is ready after %s", replaced, seconds(time.Since(began)))
	t.Logf("a file written on it is served by %s after %s", remote, seconds(c.arrives(t, replaced)))
	took := within(t, copyLimit, "the session is known everywhere", func() bool {
		pairs, err := gluster.Client{Runner: on{c.lab, "cluster01"}}.GeoRepStatus(t.Context(), "volpi", "geoaccount@"+remote+"::volpi")
		good := countOf(pairs, func(p gluster.GeoRepPair) bool { return p.Status == "Active" || p.Status == "Passive" })
		return err == nil && good == copies
	})
	t.Logf("all nodes take part in the session after %s more", seconds(took))
}

func newRemoteCard(t *testing.T, c *whole) {
	began := time.Now()
	each(t, c.lab.Wipe, remote)
	each(t, c.lab.Start, remote)
	first := time.Duration(0)
	end := c.watch(t, remote, "/site/c/moved-50.html", func(code int, _ string) bool {
		if code == http.StatusOK && first == 0 {
			first = time.Since(began)
			if differ := c.alike(t); differ != "" {
				t.Errorf("the remote serves files when its copy lacks some:\n%.2000s", differ)
			}
		}
		return code == http.StatusOK || first == 0 && (unserved(code, "") || code == http.StatusNotFound)
	})
	c.ready(t, remote)
	t.Logf("the remote is ready to receive after %s", seconds(time.Since(began)))
	within(t, copyLimit, "the new card has it all", func() bool {
		code, _ := c.get(t, remote, "/site/c/moved-50.html")
		return code == http.StatusOK
	})
	t.Logf("it has everything and serves it after %s; answers until then (by code): %v", seconds(time.Since(began)), end())
}

// contextFor is for what looks on while a test may have failed already.
func contextFor(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}
