//go:build apt

package apt

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lite is what Raspberry Pi OS Lite has beyond Debian's important packages, as
// far as Debian has it too (pi-gen's stages 1 and 2).
var lite = []string{
	"adduser", "apt-listchanges", "avahi-daemon", "bash-completion", "bluez", "build-essential", "ca-certificates",
	"console-setup", "cron", "curl", "dbus", "debconf-utils", "dosfstools", "e2fsprogs", "ed", "ethtool", "fake-hwclock",
	"fbset", "fdisk", "file", "firmware-brcm80211", "firmware-realtek", "gdb", "htop", "init", "iproute2",
	"keyboard-configuration", "kmod", "less", "libnss-mdns", "libpam-systemd", "locales", "logrotate", "luajit", "man-db",
	"manpages-dev", "nano", "ncdu", "net-tools", "netbase", "network-manager", "nfs-common", "ntfs-3g", "openssh-server",
	"parted", "pciutils", "pkg-config", "polkitd", "psmisc", "python-is-python3", "python3-venv", "rsync", "ssh-import-id",
	"strace", "sudo", "systemd-timesyncd", "tzdata", "udev", "udisks2", "unzip", "usb-modeswitch", "usbutils",
	"v4l-utils", "wireless-tools", "wpasupplicant", "zip",
}

// roles are lists that images are made with.
var roles = map[string][]string{
	"storage":  {"glusterfs-server", "glusterfs-client", "apache2", "rsync", "openssh-server", "attr", "wireguard-go", "wireguard-tools"},
	"remote":   {"glusterfs-server", "glusterfs-client", "apache2", "rsync", "openssh-server", "attr", "ddclient", "libio-socket-ssl-perl"},
	"balancer": {"apache2", "wireguard-go", "wireguard-tools"},
}

// newLite sets up a system that is like Raspberry Pi OS Lite.
func newLite(t testing.TB, suite, arch string) *world {
	t.Helper()
	w := newWorld(t, suite, arch)
	w.installs(nil, append([]string{"?essential", "?priority(required)", "?priority(important)", "apt", "dpkg"}, lite...)...)
	return w
}

// TestRolesAsApt has apt judge the closure of every role, on a base that is
// of today and on one that is older: a third of its source packages have had an
// update since, which is what an image of some months ago looks like.
func TestRolesAsApt(t *testing.T) {
	for _, base := range []struct{ suite, arch string }{{"trixie", "arm64"}, {"trixie", "amd64"}, {"bookworm", "arm64"}} {
		w := newLite(t, base.suite, base.arch)
		for _, age := range []string{"of today", "some months old"} {
			if age != "of today" {
				w.age(1, 0.33)
			}
			a := w.open()
			t.Logf("%s %s %s: %d packages installed, %d known, %d MiB of heap", base.suite, base.arch, age,
				len(a.universe.installed), len(a.universe.all), heap()>>20)
			for role, names := range roles {
				t.Run(fmt.Sprintf("%s on %s %s %s", role, base.suite, base.arch, age), func(t *testing.T) {
					judge(t, w, a, names)
				})
			}
		}
	}
}

// judge compares a closure with what apt would do. A base must not lose a
// package, and apt has no reason to take one away here.
func judge(t *testing.T, w *world, a *Archive, names []string) {
	t.Helper()
	want := w.simulate(append(lean, "--no-remove"), names...)
	began := time.Now()
	got, err := a.Closure(names)
	took := time.Since(began)
	checkErr(t, err, "")
	if diff := cmp.Diff(want.install, ids(got)); diff != "" || want.failed || len(got) == 0 {
		t.Errorf("packages (-apt +ours):\n%s\n%s", diff, want.out)
	}
	upgrades := 0
	for _, p := range got {
		if p.Installed != "" {
			upgrades++
		}
	}
	t.Logf("%d packages, %d of them upgrades, in %v", len(got), upgrades, took.Round(time.Millisecond))
}

// heap is the memory in use after what can go is gone.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestRandomPackagesAsApt takes packages by chance from all of Debian. Where
// apt would remove something from the base, an error is right here.
func TestRandomPackagesAsApt(t *testing.T) {
	w := newLite(t, "trixie", "arm64")
	w.age(2, 0.2)
	a := w.open()
	var names []string
	for _, p := range a.universe.all {
		if p.candidate() != nil && p.current == nil {
			names = append(names, p.name)
		}
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	same, refused, removes := 0, 0, 0
	for range 8 { // apt takes four seconds for each
		name := names[rnd.IntN(len(names))]
		want := w.simulate(lean, name)
		got, err := a.Closure([]string{name})
		diff := cmp.Diff(want.install, ids(got))
		switch {
		case want.failed && err != nil:
			refused++
		case len(want.remove) > 0 && err != nil:
			removes++
		case err == nil && diff == "" && !want.failed:
			same++
		default:
			t.Errorf("%s: error %v, apt failed %v and removes %v\n(-apt +ours)\n%s", name, err, want.failed, want.remove, diff)
		}
	}
	t.Logf("the same %d times, both refuse %d times, apt would remove something %d times", same, refused, removes)
}

func BenchmarkClosure(b *testing.B) {
	a := newLite(b, "trixie", "arm64").open()
	for role, names := range roles {
		b.Run(role, func(b *testing.B) {
			for b.Loop() {
				if _, err := a.Closure(names); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpen is what every berry lock pays: indexes that are in the cache,
// checked, unpacked and read.
func BenchmarkOpen(b *testing.B) {
	w := newLite(b, "trixie", "arm64")
	a := w.open()
	for b.Loop() {
		a = w.open()
	}
	b.ReportMetric(float64(heap()>>20), "MiB-heap")
	runtime.KeepAlive(a)
}
