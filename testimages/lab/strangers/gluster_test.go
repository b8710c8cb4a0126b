//go:build lab

package strangers

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/testimages/lab/cluster"
)

// volume is that of the example profile.
const volume = "volpi"

// credentials are what a stranger's GlusterFS has to show.
type credentials struct {
	says string
	pair pair // no certificate: it speaks no TLS
	// admitted: it has what a member has.
	admitted bool
}

func (l lan) credentials(t *testing.T) []credentials {
	t.Helper()
	own := nobody(t).node(t, late, nil)
	own.CA = l.secrets.ca.node(t, late, nil).CA // it is the members who must not trust
	return []credentials{
		{says: "no TLS"},
		{says: "another CA's certificate", pair: own},
		{says: "a member's certificate", pair: l.secrets.ca.node(t, late, nil), admitted: true},
	}
}

// probesFrom has a stranger's glusterd at an address of its own, by which it is found in
// the members' logs, call them into its pool. gluster itself says the same of every
// refusal. Whom TLS has let through is told by the member: it rejects him by name.
func probesFrom(number byte) func(*testing.T, lan) {
	return func(t *testing.T, l lan) {
		l.stranger = attach(t, l.Lab, fmt.Sprintf("stranger%d", number), number)
		for _, c := range l.credentials(t) {
			g := l.gluster(t, c)
			for _, name := range early {
				g.probe(t, l, name, c)
			}
			g.end()
		}
	}
}

func (g foreign) probe(t *testing.T, l lan, name string, c credentials) {
	t.Helper()
	before := l.calls(t, name, " for peer ")
	said, err := g.run(t, "gluster --mode=script peer probe "+address(t, l.Lab, name).String())
	if err == nil || !strings.Contains(said, "peer probe: failed") {
		t.Errorf("%s was probed by a stranger with %s: %s, %v", name, c.says, said, err)
	}
	if l.calls(t, name, " for peer ") == before {
		t.Errorf("a stranger with %s did not come to the glusterd of %s: %s", c.says, name, said)
	}
	if got := l.calls(t, name, "handshake request from unknown peer ") > 0; got != c.admitted {
		t.Errorf("a stranger with %s came through the TLS of %s: %v, want %v: %s", c.says, name, got, c.admitted, said)
	}
}

// calls counts what the glusterd of a member has logged about the stranger.
func (l lan) calls(t *testing.T, name, words string) int {
	t.Helper()
	text := ask(t, l.Lab, name, fmt.Sprintf("grep -cF '%s%s:' /var/log/glusterfs/glusterd.log || true", words, l.stranger.Address))
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// mounts has a stranger mount the volume and read a file of it.
func mounts(t *testing.T, l lan) {
	script := fmt.Sprintf("timeout 20 mount -t glusterfs %s:/%s /mnt && timeout 20 cat /mnt/.berry/health", early[0], volume)
	for _, c := range l.credentials(t) {
		g := l.gluster(t, c)
		said, err := g.run(t, script)
		if got := err == nil; got != c.admitted {
			t.Errorf("a stranger with %s reads the volume: %v, want %v: %s, %v", c.says, got, c.admitted, said, err)
		}
		g.end()
	}
}

// foreign is a stranger's GlusterFS: this machine's program, with files of its own.
type foreign struct {
	stranger *cluster.Stranger
	init     string // the process ID of its first process
	end      func()
}

// gluster starts a stranger's glusterd. It knows the members by their names.
func (l lan) gluster(t *testing.T, c credentials) foreign {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"hosts": "127.0.0.1 localhost\n" + l.stranger.Address.String() + " stranger\n"}
	for name, a := range hosts(t, l.Lab, early[0]) {
		files["hosts"] += a + " " + name + "\n"
	}
	if c.pair.Cert != "" {
		files["glusterfs.pem"], files["glusterfs.key"], files["glusterfs.ca"] = c.pair.Cert, c.pair.Key, c.pair.CA
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const script = `set -e
for dir in /var/lib/glusterd /var/log/glusterfs /run /mnt /etc/ssl /usr/lib/ssl; do mount -t tmpfs tmpfs $dir; done
mount --bind $1/hosts /etc/hosts
if [ -e $1/glusterfs.pem ]; then
	cp $1/glusterfs.* /etc/ssl
	cp $1/glusterfs.* /usr/lib/ssl
	touch /var/lib/glusterd/secure-access
fi
glusterd
until gluster --mode=script pool list >/dev/null 2>&1; do sleep 0.1; done
touch $1/up
sleep infinity`
	ctx, cancel := context.WithCancel(t.Context())
	cmd, err := l.stranger.Command(host.Command("unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script, "sh", dir))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := (host.Exec{}).Run(ctx, cmd)
		ended <- err
	}()
	g := foreign{stranger: l.stranger, end: func() {
		cancel()
		<-ended
	}}
	t.Cleanup(cancel)
	within(t, askLimit, "glusterd of a stranger with "+c.says+" is up", func() bool {
		_, err := os.Stat(filepath.Join(dir, "up"))
		return err == nil
	})
	g.init = firstProcess(t, dir)
	return g
}

// firstProcess finds the process whose mount namespace has a stranger's files.
func firstProcess(t *testing.T, dir string) string {
	t.Helper()
	res, err := (host.Exec{}).Run(t.Context(), host.Command("pgrep", "--full", "--newest", "^sh -c .* sh "+dir))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(res.Stdout))
}

// run runs a shell script beside a stranger's glusterd.
func (g foreign) run(t *testing.T, script string) (said string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	res, err := g.stranger.Run(ctx, host.Command("nsenter", "--target", g.init, "--mount", "--pid", "--ipc", "--", "sh", "-c", script))
	return strings.TrimSpace(string(res.Stdout) + string(res.Stderr)), err
}
