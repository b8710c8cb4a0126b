//go:build root && linux

package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"berries/firstboot/cards"
	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/peers"
	"berries/firstboot/status"
)

// TestRealGluster walks the steps pool, volume and mount of a pool of one, with a real
// glusterd, a real brick and a real mount, and breaks what they have made.
func TestRealGluster(t *testing.T) { inNamespaces(t, "gluster") }

// lone is a node with a pool of its own.
func lone() node.File {
	f := pi(1)
	f.Gluster.Members = f.Gluster.Members[:1]
	f.Brick = &node.Brick{Label: "berry-brick", Mount: "/mnt/export", Dir: "/mnt/export/brick"}
	return f
}

// runner is a systemd that knows glusterd and the mount of its unit file.
type runner struct{ asked []string }

func (r *runner) Start(_ context.Context, unit string) error {
	r.asked = append(r.asked, "start "+unit)
	if unit == glusterd {
		return sh("glusterd -p /run/glusterd.pid")()
	}
	text, err := os.ReadFile(unitDir + "/" + unit)
	if err != nil {
		return err
	}
	set := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		set[name] = value
	}
	return sh(fmt.Sprintf("mount -t %s -o %s %s %s", set["Type"], set["Options"], set["What"], set["Where"]))()
}

func (r *runner) Stop(_ context.Context, unit string) error {
	r.asked = append(r.asked, "stop "+unit)
	if unit != glusterd {
		return sh("umount /mnt/www")()
	}
	// As Debian's unit does, which takes all that glusterd has started with it.
	return sh(`[ -e /run/glusterd.pid ] || exit 0
for pid in $(cat /run/glusterd.pid /run/gluster/vols/*/*.pid /run/gluster/glustershd/*.pid 2>/dev/null); do kill -9 $pid || true; done
rm -f /run/glusterd.pid; sleep 1`)()
}

func (r *runner) Restart(ctx context.Context, unit string) error {
	if active, _ := r.Active(ctx, unit); active {
		if err := r.Stop(ctx, unit); err != nil {
			return err
		}
	}
	return r.Start(ctx, unit)
}
func (r *runner) Enable(context.Context, ...string) error {
	return errors.New("nothing is to be enabled")
}
func (r *runner) Mask(context.Context, ...string) error { return errors.New("nothing is to be masked") }
func (r *runner) Reload(context.Context) error          { return nil }
func (r *runner) Active(_ context.Context, unit string) (bool, error) {
	if unit == glusterd {
		return exec.Command("sh", "-c", "kill -0 $(cat /run/glusterd.pid)").Run() == nil, nil
	}
	return exec.Command("mountpoint", "-q", "/mnt/www").Run() == nil, nil
}

// emptyNet is a node's view of an empty network.
type emptyNet struct{}

func (emptyNet) Peers() []peers.Peer { return nil }

// Fetch implements Neighbours.
func (emptyNet) Fetch(context.Context, string, string) (io.ReadCloser, error) {
	return nil, errors.New("nobody is there")
}

func poolStep() Step  { return Pool{emptyNet{}} }
func mountStep() Step { return Mount{} }

// volumeStep is the step with a book that has nothing to do with this machine.
func volumeStep() Step {
	files, err := host.OpenFiles("/run")
	if err != nil {
		panic(err)
	}
	book, err := cards.Open(files)
	if err != nil {
		panic(err)
	}
	return Volume{emptyNet{}, book}
}

// ends wants the steps to end like that, and that to have been asked of systemd.
func ends(step func() Step, want status.State, wantAsked ...string) func() error {
	return func() error {
		r := &runner{}
		s := step()
		got := walkReally(r, lone(), s)
		return errors.Join(differs("the step ended", status.Step{Name: s.Name(), State: want}, got),
			differs("asked of systemd", wantAsked, r.asked))
	}
}

// fails wants a step to fail with an error that says so.
func fails(step func() Step, words string) func() error {
	return func() error {
		got := walkReally(&runner{}, lone(), step())
		if got.State != status.Failed || !strings.Contains(got.Error, words) {
			return fmt.Errorf("it ended as %+v, want an error that says %s", got, words)
		}
		return nil
	}
}

const script0 = "gluster --mode=script "

var glusterScenario = []scene{
	{"the namespaces are furnished", sh(`
		kept=$(mktemp -d); keys=$(mktemp -d); openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 -subj /CN=cluster01 -keyout $keys/key -out $keys/pem
		cp -a /etc/glusterfs/. $kept
		for dir in /var/lib/glusterd /var/log/glusterfs /run /mnt /etc/ssl /usr/lib/ssl ` + unitDir + ` /etc/glusterfs; do mount -t tmpfs -o mode=755 t $dir; done
		cp -a $kept/. /etc/glusterfs; rm -r $kept
		printf '127.0.0.1 localhost cluster01\n' > /run/hosts; mount --bind /run/hosts /etc/hosts
		echo cluster01 > /proc/sys/kernel/hostname
		ip link set lo up
		mv $keys/key /etc/ssl/glusterfs.key; mv $keys/pem /etc/ssl/glusterfs.pem; rmdir $keys
		cp /etc/ssl/glusterfs.pem /etc/ssl/glusterfs.ca; cp /etc/ssl/glusterfs.* /usr/lib/ssl
		truncate -s 64M /run/card /run/root; mke2fs -q -t ext4 /run/card; mke2fs -q -t ext4 /run/root
		mount -o loop /run/root /mnt
		mkdir -p /mnt/export; mount -o loop /run/card /mnt/export; mkdir /mnt/export/brick`)},
	{"the node is in its pool", ends(poolStep, status.Done, "stop "+glusterd, "stop "+glusterd, "start "+glusterd)},
	{"and stays there", ends(poolStep, status.AlreadyDone)},
	{"after a restart, too", all(func() error { return (&runner{}).Restart(context.Background(), glusterd) }, ends(poolStep, status.AlreadyDone))},
	{"a create that came to nothing is made good", all(
		// What a create leaves that fails on another node is what a deleted volume leaves.
		sh(script0+"volume create webroot cluster01:/mnt/export/brick; "+script0+"volume delete webroot"),
		sh("getfattr --absolute-names -n trusted.glusterfs.volume-id /mnt/export/brick; ls -d /mnt/export/brick/.glusterfs"),
		ends(volumeStep, status.Done))},
	{"the volume stays", ends(volumeStep, status.AlreadyDone)},
	{"one that was started and held nothing is made good", all(
		sh(script0+"volume stop webroot force; "+script0+"volume delete webroot; ls -d /mnt/export/brick/.glusterfs/00/00/*"),
		ends(volumeStep, status.Done))},
	{"a volume that was stopped is started", all(sh(script0+"volume stop webroot force"), ends(volumeStep, status.Done))},
	{"an option that was changed is set", all(sh(script0+"volume set webroot auth.ssl-allow '*'"), ends(volumeStep, status.Done))},
	{"the volume is mounted", ends(mountStep, status.Done, "start mnt-www.mount")},
	{"and stays mounted", all(ends(mountStep, status.AlreadyDone), sh("test \"$(cat /mnt/www/.berry/health)\" = 'berries webroot'"))},
	{"the web server may write to it", sh("test \"$(stat -c %u:%g /mnt/www)\" = 33:33; cd /mnt/www; setpriv --reuid=33 --regid=33 --clear-groups sh -c 'echo home > index.html'")},
	{"nothing can be written under it", sh("umount /mnt/www; ! touch /mnt/www/x; ! mkdir /mnt/www/.berry; test -z \"$(ls -A /mnt/www)\"")},
	{"a mount that is lost comes back", ends(mountStep, status.Done, "start mnt-www.mount")},
	{"a mount whose client has died comes back", all(
		sh("for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q 'process-name fus[e].* /mnt/www' && kill -9 ${p#/proc/} || true; done; sleep 1; ! cat /mnt/www/index.html"),
		ends(mountStep, status.Done, "start mnt-www.mount"), sh("cat /mnt/www/index.html"))},
	{"a brick that has died comes back, and the mount with it", all(
		sh("kill -9 $(cat /run/gluster/vols/webroot/*.pid); sleep 1; ! cat /mnt/www/.berry/health"),
		ends(volumeStep, status.Done, "stop "+glusterd, "start "+glusterd),
		func() error { time.Sleep(4 * time.Second); return nil }, // the client tries every three seconds
		ends(mountStep, status.AlreadyDone))},
	{"a brick that lost everything is told, and not started by force", all(
		func() error { return (&runner{}).Stop(context.Background(), glusterd) },
		sh("mv /mnt/export/brick /mnt/export/old; mkdir /mnt/export/brick"),
		func() error { return (&runner{}).Start(context.Background(), glusterd) },
		func() error {
			h, err := host.New("/", nil)
			if err != nil {
				return err
			}
			state, err := volumeStep().Look(context.Background(), h, lone())
			return errors.Join(err, differs("state", "the brick of cluster01 is new and empty", state.String()))
		},
		func() error { return (&runner{}).Stop(context.Background(), glusterd) },
		sh("rmdir /mnt/export/brick; mv /mnt/export/old /mnt/export/brick"),
		func() error { return (&runner{}).Start(context.Background(), glusterd) },
		ends(volumeStep, status.AlreadyDone))},
	{"a brick with files of a volume that is not there is left alone", all(
		sh("umount /mnt/www; "+script0+"volume stop webroot force; "+script0+"volume delete webroot"),
		fails(volumeStep, "there is no volume webroot, but /mnt/export/brick was a brick of one and holds /mnt/export/brick/"),
		sh("test \"$(cat /mnt/export/brick/index.html)\" = home"))},
	{"everything ends", func() error { return (&runner{}).Stop(context.Background(), glusterd) }},
}
