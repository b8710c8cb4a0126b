//go:build root && linux

package gluster_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"berries/firstboot/gluster"
	"berries/firstboot/host"

	"github.com/google/go-cmp/cmp"
)

// inside marks the copy of this test program that is the first process of
// namespaces of its own: glusterd has its files on filesystems of its own there, no
// network, and is gone when the first process is.
const inside = "GLUSTER_TEST_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(inside) == "" {
		os.Exit(m.Run())
	}
	for _, step := range scenario {
		ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, errors.New("a minute is over"))
		err := step.do(ctx)
		cancel()
		if err != nil {
			fmt.Printf("%s: FAIL: %v\n", step.name, err)
			os.Exit(1)
		}
		fmt.Printf("%s: ok\n", step.name)
	}
}

var (
	c = gluster.Client{Runner: host.Exec{}}
	// glusterd stays in the foreground: a daemon would keep our pipes open.
	glusterd = exec.Command("glusterd", "--no-daemon")
	self     = gluster.Info{UUID: "11111111-2222-4333-8444-000000000001"}
	// other is a member of the pool that never appears.
	other  = gluster.PeerFile{UUID: "11111111-2222-4333-8444-000000000002", State: gluster.PeerInCluster, Hostnames: []string{"berry2"}}
	volume = gluster.Volume{
		Name: "volpi", StatusText: "Created", Type: "Distribute", Replica: 1,
		Bricks: []gluster.Brick{{Name: "berry1:/mnt/export/volpi", HostUUID: self.UUID}},
	}
)

// scenario is the life of a volume of one brick. Each step goes on from the one
// before.
var scenario = []struct {
	name string
	do   func(ctx context.Context) error
}{
	{"the namespaces are furnished", furnish},
	{"the installed version has an operating version", func(ctx context.Context) error {
		v, err := c.Version(ctx)
		if err == nil {
			self.OperatingVersion, err = v.OperatingVersion()
		}
		return err
	}},
	{"a glusterd that does not run is told apart", func(ctx context.Context) error {
		_, err1 := c.PoolList(ctx)
		_, err2 := c.HealSummary(ctx, "volpi")
		return errors.Join(is(err1, gluster.ErrNotRunning), is(err2, gluster.ErrNotRunning), is(c.HealFull(ctx, "volpi"), gluster.ErrNotRunning))
	}},
	{"glusterd starts with the files that it is given", func(ctx context.Context) error {
		err1 := os.MkdirAll(gluster.PeersDir, 0o755)
		err2 := os.WriteFile(gluster.InfoPath, []byte(self.Text()), gluster.SeedMode)
		err3 := os.WriteFile(other.Path(), []byte(other.Text()), gluster.SeedMode)
		err4 := glusterd.Start()
		return errors.Join(err1, err2, err3, err4, until(ctx, func() error {
			_, err := c.PoolList(ctx)
			return err
		}))
	}},
	{"it is a member of the pool", func(ctx context.Context) error {
		absent := gluster.Peer{UUID: other.UUID, Hostnames: other.Hostnames, State: gluster.PeerInCluster, StateText: "Peer in Cluster"}
		here := gluster.Peer{UUID: self.UUID, Hostnames: []string{"localhost"}, Local: true, Connected: true}
		list, err1 := c.PoolList(ctx)
		others, err2 := c.PeerStatus(ctx)
		return errors.Join(err1, err2, same([]gluster.Peer{absent, here}, list), same([]gluster.Peer{absent}, others))
	}},
	{"it keeps the files", func(context.Context) error {
		text1, err1 := os.ReadFile(gluster.InfoPath)
		text2, err2 := os.ReadFile(other.Path())
		i, err3 := gluster.ParseInfo(string(text1))
		p, err4 := gluster.ParsePeerFile(string(text2))
		return errors.Join(err1, err2, err3, err4, same(self, i), same(other, p))
	}},
	{"the operating version is its highest", func(ctx context.Context) error {
		res, err := c.Runner.Run(ctx, host.Command("gluster", "--mode=script", "volume", "get", "all", "cluster.max-op-version"))
		if words := strings.Fields(string(res.Stdout)); !slices.Contains(words, fmt.Sprint(self.OperatingVersion)) {
			return fmt.Errorf("it says %q, want %d", words, self.OperatingVersion)
		}
		return err
	}},
	{"there is no volume yet", func(ctx context.Context) error {
		list, err := c.Volumes(ctx)
		_, err1 := c.VolumeInfo(ctx, "volpi")
		_, err2 := c.VolumeStatus(ctx, "volpi")
		_, err3 := c.HealSummary(ctx, "volpi")
		return errors.Join(err, same(0, len(list)), is(err1, gluster.ErrNoVolume), is(err2, gluster.ErrNoVolume),
			is(err3, gluster.ErrNoVolume), is(c.HealFull(ctx, "volpi"), gluster.ErrNoVolume))
	}},
	{"a brick that is no folder of a filesystem, or of a node that is not there, is refused", func(ctx context.Context) error {
		_, err1 := c.VolumeCreate(ctx, "volpi", "berry1:/mnt/export")
		_, err2 := c.VolumeCreate(ctx, "volpi", "berry1:/mnt/export/volpi", "berry2:/b", "berry3:/b")
		return errors.Join(says(err1, "is a mount point"), says(err2, "berry2"))
	}},
	{"a volume is created", func(ctx context.Context) (err error) {
		// The refusals above may have left marks on it.
		err1 := os.RemoveAll("/mnt/export/volpi")
		id, err2 := c.VolumeCreate(ctx, "volpi", "berry1:/mnt/export/volpi")
		got, err3 := c.VolumeInfo(ctx, "volpi")
		volume.ID, volume.Options = id, got.Options
		return errors.Join(err1, err2, err3, same(volume, got), same(36, len(id)))
	}},
	{"it is not created twice", func(ctx context.Context) error {
		_, err := c.VolumeCreate(ctx, "volpi", "berry1:/mnt/export/volpi")
		return says(err, "already exists")
	}},
	{"where one option is refused, none is set", func(ctx context.Context) error {
		err1 := c.VolumeSet(ctx, "volpi", gluster.Option{Name: "network.ping-timeout", Value: "10"}, gluster.Option{Name: "no.such", Value: "3"})
		got, err2 := c.VolumeInfo(ctx, "volpi")
		return errors.Join(says(err1, "option : no.such does not exist"), err2, same(volume, got))
	}},
	{"all options of a web root are set", func(ctx context.Context) error {
		options := gluster.WebOptions("berry1", "berry2")
		err1 := c.VolumeSet(ctx, "volpi", options...)
		got, err2 := c.VolumeInfo(ctx, "volpi")
		for _, o := range options {
			volume.Options[o.Name] = o.Value
		}
		return errors.Join(err1, err2, same(volume, got))
	}},
	{"before its start it has no status and nothing to heal", func(ctx context.Context) error {
		_, err1 := c.VolumeStatus(ctx, "volpi")
		_, err2 := c.HealSummary(ctx, "volpi")
		return errors.Join(says(err1, "Volume volpi is not started"), says(err2, "Not able to fetch volfile"),
			says(c.HealFull(ctx, "volpi"), "Volume volpi is not started"))
	}},
	{"the node has a certificate", func(context.Context) error { return certify("berry1") }},
	{"it is started", func(ctx context.Context) error {
		err1 := c.VolumeStart(ctx, "volpi")
		got, err2 := c.VolumeInfo(ctx, "volpi")
		volume.Status, volume.StatusText = gluster.VolumeStarted, "Started"
		return errors.Join(err1, err2, same(volume, got), says(c.VolumeStart(ctx, "volpi"), "already started"))
	}},
	{"its brick is online", func(ctx context.Context) error { return until(ctx, func() error { return online(ctx) }) }},
	{"its root belongs to the web server", func(context.Context) error {
		info, err := os.Stat("/mnt/export/volpi")
		if err != nil {
			return err
		}
		owner := info.Sys().(*syscall.Stat_t)
		return same([]uint32{33, 33}, []uint32{owner.Uid, owner.Gid})
	}},
	{"a volume without copies has nothing to heal", func(ctx context.Context) error {
		_, err1 := c.HealSummary(ctx, "volpi")
		_, err2 := c.HealInfo(ctx, "volpi")
		const words = "only volumes of replicate/disperse type"
		return errors.Join(says(err1, words), says(err2, words), says(c.HealFull(ctx, "volpi"), "Self-heal-daemon is disabled"))
	}},
	{"it is sent nowhere", func(ctx context.Context) error {
		_, err := c.GeoRepStatus(ctx, "volpi", "berry4::volpi")
		return says(err, "geo-replication command failed")
	}},
	{"its brick is reset", func(ctx context.Context) error {
		err := c.ResetBrickStart(ctx, "volpi", "berry1:/mnt/export/volpi")
		if s, err := c.VolumeStatus(ctx, "volpi"); len(s.Offline(volume)) != 1 {
			return fmt.Errorf("after the start of it the brick is online: %v, %w", s, err)
		}
		return errors.Join(err, c.ResetBrickCommit(ctx, "volpi", "berry1:/mnt/export/volpi"),
			until(ctx, func() error { return online(ctx) }))
	}},
	{"glusterd stops", func(ctx context.Context) error {
		err := glusterd.Process.Kill()
		glusterd.Wait() // it says that it was killed
		_, gone := c.VolumeInfo(ctx, "volpi")
		return errors.Join(err, is(gone, gluster.ErrNotRunning))
	}},
	{"with QuickStart it starts all the same, and sooner", func(ctx context.Context) error {
		slow, before, err1 := starts(ctx)
		err2 := os.WriteFile("/run/python/quick.pth", []byte(gluster.QuickStart), 0o644)
		quick, after, err3 := starts(ctx)
		fmt.Printf("glusterd answers after %.1f s, with QuickStart after %.1f s (%.1fx)\n", slow.Seconds(), quick.Seconds(), slow.Seconds()/quick.Seconds())
		return errors.Join(err1, err2, err3, same(before, after))
	}},
}

// starts starts glusterd and stops it. It tells how long it took to answer, and what
// there is then of geo-replication's.
func starts(ctx context.Context) (took time.Duration, files string, err error) {
	began := time.Now()
	again := exec.Command("glusterd", "--no-daemon")
	err1 := again.Start()
	err2 := until(ctx, func() error {
		_, err := c.PoolList(ctx)
		return err
	})
	took = time.Since(began)
	res, err3 := c.Runner.Run(ctx, host.Command("sh", "-c", "cd /var/lib/glusterd/geo-replication && find . -type f -exec sha256sum {} +"))
	err4 := again.Process.Kill()
	again.Wait() // it says that it was killed
	return took, string(res.Stdout), errors.Join(err1, err2, err3, err4)
}

// certify gives the node a certificate that it has signed itself, where Debian's
// GlusterFS of trixie and of bookworm look for it. Bricks start without one, but
// nothing can reach what they hold.
func certify(name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Unix(0, 0), NotAfter: time.Now().AddDate(1, 0, 0),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	for _, dir := range []string{"/etc/ssl/", "/usr/lib/ssl/"} {
		public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
		err = errors.Join(err, os.MkdirAll(dir, 0o755), os.WriteFile(dir+"glusterfs.pem", public, 0o644),
			os.WriteFile(dir+"glusterfs.ca", public, 0o644),
			os.WriteFile(dir+"glusterfs.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600))
	}
	return err
}

// online wants the one brick to run, as what status says that it is.
func online(ctx context.Context) error {
	s, err := c.VolumeStatus(ctx, "volpi")
	if err != nil || len(s.Offline(volume)) > 0 || len(s.Bricks) != 1 || len(s.SelfHeal) > 0 {
		return fmt.Errorf("the status is %+v, %w", s, err)
	}
	b := s.Bricks[0]
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", b.PID))
	if err != nil {
		return err
	}
	if filepath.Base(program) != "glusterfsd" || b.Port < 1024 {
		return fmt.Errorf("%s listens on port %d", program, b.Port)
	}
	return nil
}

// until waits until something holds.
func until(ctx context.Context, holds func() error) error {
	for {
		err := holds()
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func is(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("error %v, want %w", err, want)
	}
	return nil
}

func says(err error, words string) error {
	if _, typed := errors.AsType[*gluster.Error](err); !typed || !strings.Contains(err.Error(), words) {
		return fmt.Errorf("error %v, want one of gluster's that says %s", err, words)
	}
	return nil
}

func same[T any](want, got T) error {
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-want +got): %s", diff)
	}
	return nil
}

// furnish mounts what glusterd writes to, so that nothing of it is this machine's.
func furnish(ctx context.Context) error {
	script := `set -e
for dir in /var/lib/glusterd /var/log/glusterfs /run /mnt /etc/ssl /usr/lib/ssl; do mount -t tmpfs tmpfs $dir; done
# Where Debian's Python looks for modules of ours.
python=/usr/local/lib/$(readlink /usr/bin/python3)/dist-packages
mkdir -p "$python"
mount -t tmpfs tmpfs "$python"
mkdir /run/python
mount --bind "$python" /run/python
# Nothing answers where berry2 and berry3 are said to be.
printf '%s\n' '127.0.0.1 localhost berry1' '192.0.2.2 berry2' '192.0.2.3 berry3' >/mnt/hosts
mount --bind /mnt/hosts /etc/hosts
echo berry1 >/proc/sys/kernel/hostname
ip link set lo up
truncate -s 64M /mnt/brick
mke2fs -q -t ext4 /mnt/brick
mkdir /mnt/export
mount -o loop /mnt/brick /mnt/export`
	_, err := c.Runner.Run(ctx, host.Command("sh", "-c", script))
	return err
}

// TestGluster needs root, for mounts and for the extended attributes of a brick; an
// ordinary user becomes it through sudo.
func TestGluster(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"unshare", "--mount", "--net", "--uts", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc",
		"env", inside + "=1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", self}
	if os.Geteuid() != 0 {
		args = append([]string{"sudo"}, args...)
	}
	out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput()
	if t.Log(string(out)); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(out), ": ok\n"); got != len(scenario) {
		t.Errorf("%d of %d steps passed", got, len(scenario))
	}
}
