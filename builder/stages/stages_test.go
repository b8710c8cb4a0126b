package stages

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"berries/builder/apt/apttest"
	"berries/builder/disk"
	"berries/builder/disk/disktest"
	"berries/builder/fetch"
	"berries/builder/plan"
	"berries/builder/progress"
	"berries/builder/secrets"
	"berries/firstboot/host"
	"berries/profiles"
)

// cluster is the example cluster on the given base.
func cluster(t *testing.T, base string) *profiles.Cluster {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	yaml, err := os.ReadFile("../../profiles/clusters/berries.yaml")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile("../cli/testdata/id.pub")
	if err != nil {
		t.Fatal(err)
	}
	write("berries.yaml", string(yaml), 0o644)
	write("id.pub", string(key), 0o644)
	write("ddns-password", "secret", 0o600)
	c, err := profiles.Load(filepath.Join(dir, "berries.yaml"),
		profiles.Env{Getenv: func(string) string { return "" }, BaseOverride: base})
	if err != nil {
		t.Fatal(err)
	}
	c.RootSize = 512 << 20 // the profile's 4 GiB would only take time
	return c
}

// newBase makes a base whose apt has a mirror that is up.
func newBase(t *testing.T, o disktest.Options) string {
	t.Helper()
	o.Files = apttest.Article(t).Sources()
	return disktest.New(t, o)
}

// options are those of an ordinary build into a new folder.
func options(t *testing.T) Options {
	t.Helper()
	folder, err := secrets.Open(filepath.Join(t.TempDir(), "berries.secrets"))
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Out:       filepath.Join(t.TempDir(), "out"),
		Lock:      filepath.Join(t.TempDir(), "berries.lock.yaml"),
		Secrets:   folder,
		Fetch:     &fetch.Client{Cache: t.TempDir(), Runner: host.Exec{}},
		Runner:    host.Exec{},
		Firstboot: func(arch string) ([]byte, error) { return []byte("berry-firstboot for " + arch), nil },
		Progress:  progress.None,
		Version:   "test",
	}
}

// build makes the images of c.
func build(t *testing.T, o Options, c *profiles.Cluster) []Result {
	t.Helper()
	results, err := tryBuild(o, c)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func tryBuild(o Options, c *profiles.Cluster) ([]Result, error) {
	p, err := plan.New(c)
	if err != nil {
		return nil, err
	}
	return Build(context.Background(), o, p)
}

// Every image of every kind of base is judged by the programs that would have to
// live with it, whatever our own checks said.
func TestForeignProgramsAcceptEveryImage(t *testing.T) {
	for _, c := range []struct {
		name string
		base disktest.Options
		wifi bool
	}{
		{"trixie arm64 with cloud-init", disktest.Options{CloudInit: true}, false},
		{"trixie amd64 with Wi-Fi", disktest.Options{Arch: "amd64"}, true},
		{"bookworm armhf", disktest.Options{Suite: disktest.Bookworm, Arch: "armhf"}, false},
		{"bookworm arm64 with ifupdown", disktest.Options{Suite: disktest.Bookworm, Network: disktest.Ifupdown}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := cluster(t, newBase(t, c.base))
			cluster.Suite = c.base.Suite.String()
			cluster.User.Name = "martin" // not the base's pi: its home moves
			if c.wifi {
				cluster.WiFi = &profiles.WiFi{Country: "DE", SSID: "berries", PSK: profiles.NewSecret("correct horse")}
			}
			signatures := map[uint32]string{}
			for _, r := range build(t, options(t), cluster) {
				judgeByOthers(t, r.Path)
				table, err := disk.ReadTable(r.Path)
				if err != nil {
					t.Fatal(err)
				}
				if other := signatures[table.Signature]; other != "" {
					t.Errorf("%s and %s have the same disk signature", r.Node, other)
				}
				signatures[table.Signature] = r.Node
			}
			if len(signatures) != 5 {
				t.Errorf("got %d images, want 5", len(signatures))
			}
		})
	}
}

// judgeByOthers runs sfdisk, fsck.vfat and e2fsck on an image, and compares the
// three places that name its partitions without our own readers.
func judgeByOthers(t *testing.T, image string) {
	t.Helper()
	dir := t.TempDir()
	table := run(t, "sfdisk", "--dump", image)
	run(t, "sfdisk", "--verify", image)
	cut := func(n string) string {
		_, line, found := strings.Cut(table, image+n+" : start=")
		if !found {
			return ""
		}
		f := strings.FieldsFunc(line, func(r rune) bool { return r == ',' || r == ' ' || r == '=' })
		out := filepath.Join(dir, "p"+n)
		disktest.Cut(t, out, image, octets(t, f[0]), octets(t, f[2]))
		return out
	}
	p1, p2, p3 := cut("1"), cut("2"), cut("3")
	run(t, "fsck.vfat", "-n", p1)
	run(t, "e2fsck", "-fn", p2)
	if p3 != "" {
		run(t, "e2fsck", "-fn", p3)
		if ls := run(t, "debugfs", "-R", "ls -p /", p3); !strings.Contains(ls, "/040755/0/0/brick/") {
			t.Errorf("%s: no brick directory in p3:\n%s", image, ls)
		}
	} else if !strings.Contains(image, "balancer") {
		t.Errorf("%s has no p3", image)
	}
	_, id, _ := strings.Cut(table, "label-id: 0x")
	id = id[:8]
	cmdline, fstab := run(t, "mtype", "-i", p1, "::cmdline.txt"), run(t, "debugfs", "-R", "cat /etc/fstab", p2)
	if !strings.Contains(cmdline, "root=PARTUUID="+id+"-02 ") || strings.Contains(cmdline, "resize") || strings.Contains(cmdline, "init=") {
		t.Errorf("%s (signature %s): cmdline.txt is %q", image, id, cmdline)
	}
	judgeFstab(t, image, fstab, id, p3 != "")
}

// judgeFstab looks for the lines of all partitions.
func judgeFstab(t *testing.T, image, fstab, id string, hasBrick bool) {
	t.Helper()
	const brick = "LABEL=berry-brick  /export  ext4  defaults,noatime,nofail,x-systemd.device-timeout=90s,x-systemd.before=berry-firstboot.service  0  2\n"
	if !strings.Contains(fstab, "PARTUUID="+id+"-01 ") || !strings.Contains(fstab, "PARTUUID="+id+"-02 ") ||
		strings.Contains(fstab, brick) != hasBrick {
		t.Errorf("%s (signature %s): fstab is\n%s", image, id, fstab)
	}
}

// octets is a number of sectors, which must be whole MiB, in bytes.
func octets(t *testing.T, sectors string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(sectors, 10, 64)
	if err != nil || n%2048 != 0 {
		t.Fatalf("%q sectors are not whole MiB", sectors)
	}
	return n * 512
}

// run runs a program that must succeed and gives its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := disk.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(path, args...).Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func TestTheSameProfileAndBaseGiveTheSameBytes(t *testing.T) {
	c := cluster(t, newBase(t, disktest.Options{CloudInit: true}))
	o := options(t)
	first := build(t, o, c)
	onAnotherDay(t)
	o.Out = filepath.Join(t.TempDir(), "another", "folder")
	o.Fetch = &fetch.Client{Cache: t.TempDir(), Runner: host.Exec{}} // the base is grown again
	o.Jobs = 1
	second := build(t, o, c)
	for i := range first {
		if first[i].SHA256 != second[i].SHA256 {
			t.Errorf("%s: two builds differ", first[i].Node)
		}
		run(t, "cmp", first[i].Path, second[i].Path)
	}
	o.Epoch = time.Unix(1_700_000_000, 0)
	if third := build(t, o, c); third[0].SHA256 == first[0].SHA256 {
		t.Error("SOURCE_DATE_EPOCH changes nothing")
	}
}

// onAnotherDay has every program that a build runs from here on, all that write
// filesystems among them, see a clock that is 40 days ahead. Our own program sees
// the real one; it asks for the time only to judge signatures.
func onAnotherDay(t *testing.T) {
	t.Helper()
	out := run(t, "faketime", "-f", "+40d", "sh", "-c", "echo $LD_PRELOAD")
	t.Setenv("LD_PRELOAD", strings.TrimSpace(out))
	t.Setenv("FAKETIME", "+40d")
	t.Setenv("TZ", "Asia/Kathmandu")
	if day := strings.TrimSpace(run(t, "date", "+%F")); day == time.Now().Format(time.DateOnly) {
		t.Fatalf("programs still see %s", day)
	}
}

func TestWhatIsNoFitBaseIsRefusedAndNothingIsLeft(t *testing.T) {
	for _, c := range []struct {
		name string
		base disktest.Options
		edit func(*profiles.Cluster, *Options)
		want string
	}{
		{"no table", disktest.Options{Fault: disktest.NoTable}, nil, "no disk image"},
		{"no partitions", disktest.Options{Fault: disktest.NoPartitions}, nil, "without partitions"},
		{"a filesystem that needs recovery", disktest.Options{Fault: disktest.NeedsRecovery}, nil, "journal"},
		{"a filesystem that was not unmounted", disktest.Options{Fault: disktest.Dirty}, nil, "unmounted"},
		{"one of our own images", disktest.Options{}, func(c *profiles.Cluster, o *Options) {
			c.Base.File = build(t, options(t), c)[0].Path
		}, "3 partitions"},
		{"another suite", disktest.Options{Suite: disktest.Bookworm}, nil, "suite: trixie"},
		{"a root too small for the base", disktest.Options{}, func(c *profiles.Cluster, _ *Options) { c.RootSize = 64 << 20 }, "root_size"},
		{"Wi-Fi without NetworkManager", disktest.Options{Network: disktest.Ifupdown},
			func(c *profiles.Cluster, _ *Options) { c.WiFi = &profiles.WiFi{Country: "DE", SSID: "x"} }, "NetworkManager"},
		{"a customised image", disktest.Options{}, func(c *profiles.Cluster, _ *Options) {
			run(t, "mcopy", "-i", c.Base.File+"@@8M", "../cli/testdata/id.pub", "::userconf.txt")
		}, "userconf.txt"},
		{"no e2fsprogs", disktest.Options{}, func(_ *profiles.Cluster, o *Options) { o.Runner = nothing{} }, "e2fsprogs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster, o := cluster(t, newBase(t, c.base)), options(t)
			if c.edit != nil {
				c.edit(cluster, &o)
			}
			_, err := tryBuild(o, cluster)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error that says %q", err, c.want)
			}
			if left, _ := filepath.Glob(filepath.Join(o.Out, "*")); left != nil {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// nothing is a machine on which no program can be run.
type nothing struct{}

func (nothing) Run(_ context.Context, c host.Cmd) (host.Result, error) {
	return host.Result{}, &host.CommandError{Cmd: c.String(), ExitCode: -1, Err: exec.ErrNotFound}
}

// An image that its judges reject never gets a name, and one that was there
// stays.
func TestAFailedCheckLeavesNoImage(t *testing.T) {
	c, o := cluster(t, newBase(t, disktest.Options{})), options(t)
	good := build(t, o, c)
	o.Runner = spoiled{o.Runner}
	if _, err := tryBuild(o, c); err == nil || !strings.Contains(err.Error(), "verify") {
		t.Fatalf("got %v, want a failed verify stage", err)
	}
	run(t, "sha256sum", "--check", "--quiet", "--strict", withPath(t, good[0]))
	if left, _ := filepath.Glob(filepath.Join(o.Out, ".*partial*")); left != nil {
		t.Errorf("left behind: %v", left)
	}
}

// spoiled runs everything, and has sfdisk find a fault.
type spoiled struct{ host.Runner }

func (s spoiled) Run(ctx context.Context, c host.Cmd) (host.Result, error) {
	if filepath.Base(c.Name) == "sfdisk" {
		return host.Result{}, &host.CommandError{Cmd: c.String(), ExitCode: 1, Err: exec.ErrNotFound}
	}
	return s.Runner.Run(ctx, c)
}

// withPath is a checksum file that names the image with its folder.
func withPath(t *testing.T, r Result) string {
	t.Helper()
	list := filepath.Join(t.TempDir(), "sums")
	if err := os.WriteFile(list, []byte(r.SHA256+"  "+r.Path+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAnInterruptedBuildLeavesNothing(t *testing.T) {
	p, err := plan.New(cluster(t, newBase(t, disktest.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 200 * time.Millisecond} {
		o := options(t)
		ctx, cancel := context.WithTimeout(context.Background(), after)
		results, err := Build(ctx, o, p)
		cancel()
		if err == nil {
			t.Logf("a build of %d images ended within %v", len(results), after)
			continue
		}
		if left, _ := filepath.Glob(filepath.Join(o.Out, ".*partial*")); left != nil {
			t.Errorf("interrupted after %v: left behind: %v", after, left)
		}
	}
}
