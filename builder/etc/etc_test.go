package etc

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCmdline(t *testing.T) {
	drop := []string{"resize", "init=/usr/lib/raspberrypi-sys-mods/firstboot"}
	set := []string{"root=PARTUUID=0badcafe-02", "cfg80211.ieee80211_regdom=DE"}
	for _, c := range []struct{ name, old, want string }{
		{"trixie loses resize",
			"console=serial0,115200 console=tty1 root=PARTUUID=11112222-02 rootfstype=ext4 fsck.repair=yes rootwait resize\n",
			"console=serial0,115200 console=tty1 root=PARTUUID=0badcafe-02 rootfstype=ext4 fsck.repair=yes rootwait cfg80211.ieee80211_regdom=DE\n"},
		{"bookworm loses its first-boot program, and only that init",
			"root=PARTUUID=11112222-02 rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot",
			"root=PARTUUID=0badcafe-02 rootwait quiet cfg80211.ieee80211_regdom=DE\n"},
		{"a country that is there is replaced, words that only begin like resize stay",
			"root=/dev/mmcblk0p2 cfg80211.ieee80211_regdom=GB resize=no\n",
			"root=PARTUUID=0badcafe-02 cfg80211.ieee80211_regdom=DE resize=no\n"},
	} {
		got, err := Cmdline(c.old, drop, set)
		if err != nil || got != c.want {
			t.Errorf("%s:\n got %q, %v\nwant %q", c.name, got, err, c.want)
		}
	}
	if _, err := Cmdline(" \n", nil, nil); err == nil {
		t.Error("an empty command line passed")
	}
}

func TestFstab(t *testing.T) {
	old := "proc            /proc           proc    defaults          0       0\n" +
		"PARTUUID=11112222-01  /boot/firmware  vfat    defaults          0       2\n" +
		"PARTUUID=11112222-02  /               ext4    defaults,noatime  0       1\n" +
		"# a swapfile is not a swap partition, no line here"
	brick := Mount{"LABEL=berry-brick", "/export", "ext4", "defaults,noatime", 2}
	want := "proc            /proc           proc    defaults          0       0\n" +
		"PARTUUID=0badcafe-01  /boot/firmware  vfat    defaults          0       2\n" +
		"PARTUUID=0badcafe-02  /               ext4    defaults,noatime  0       1\n" +
		"# a swapfile is not a swap partition, no line here\n" +
		"LABEL=berry-brick  /export  ext4  defaults,noatime  0  2\n"
	got, err := Fstab(old, "0badcafe", []Mount{brick})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, err := Fstab(got, "0badcafe", []Mount{brick})
	if err != nil || again != got {
		t.Errorf("a second edit changed it (%v):\n%s", err, again)
	}
	if _, err := Fstab("proc /proc proc defaults 0 0\n", "0badcafe", nil); err == nil {
		t.Error("an fstab without / passed")
	}
}

func TestHosts(t *testing.T) {
	for _, c := range []struct{ name, old, want string }{
		{"pi-gen's line is replaced", "127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n",
			"127.0.0.1\tlocalhost\n127.0.1.1\tcluster01\n"},
		{"a missing line is added", "127.0.0.1 localhost", "127.0.0.1 localhost\n127.0.1.1\tcluster01\n"},
		{"two lines become one", "127.0.1.1 a\n# own\n127.0.1.1 b\n", "127.0.1.1\tcluster01\n# own\n"},
	} {
		if got := Hosts(c.old, "cluster01"); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// piGen is what pi-gen leaves: user pi, no login (since 2026-02).
var piGen = Accounts{
	Passwd:  "root:x:0:0:root:/root:/bin/bash\npi:x:1000:1000:,,,:/home/pi:/usr/sbin/nologin\n",
	Shadow:  "root:*:20000:0:99999:7:::\npi:!:20000:0:99999:7:::\n",
	Group:   "root:x:0:\nsudo:x:27:pi\nvideo:x:44:other,pi\nspi:x:900:\npi:x:1000:\n",
	Gshadow: "root:*::\nsudo:*::pi\nvideo:*::other,pi\nspi:!::\npi:!::\n",
	Subuid:  "pi:100000:65536\n",
	Subgid:  "pi:100000:65536\n",
}

func TestSetUserRenamesTheBasesUser(t *testing.T) {
	got, home, err := piGen.SetUser("martin", 1000, "$y$hash")
	if err != nil || home != "/home/pi" {
		t.Fatalf("home %q, %v", home, err)
	}
	want := Accounts{
		Passwd:  "root:x:0:0:root:/root:/bin/bash\nmartin:x:1000:1000:,,,:/home/martin:/bin/bash\n",
		Shadow:  "root:*:20000:0:99999:7:::\nmartin:$y$hash:20000:0:99999:7:::\n",
		Group:   "root:x:0:\nsudo:x:27:martin\nvideo:x:44:other,martin\nspi:x:900:martin\nmartin:x:1000:\n",
		Gshadow: "root:*::\nsudo:*::martin\nvideo:*::other,martin\nspi:!::martin\nmartin:!::\n",
		Subuid:  "martin:100000:65536\n",
		Subgid:  "martin:100000:65536\n",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, _, err := got.SetUser("martin", 1000, "$y$hash")
	if diff := cmp.Diff(got, again); diff != "" || err != nil {
		t.Errorf("a second edit changed it (%v)\n%s", err, diff)
	}
}

func TestSetUserMakesAUserWhereThereIsNone(t *testing.T) {
	bare := Accounts{Passwd: "root:x:0:0:root:/root:/bin/bash\n", Group: "root:x:0:\nsudo:x:27:\n", Gshadow: "sudo:*::\n"}
	got, home, err := bare.SetUser("pi", 1000, "")
	if err != nil || home != "" {
		t.Fatalf("home %q, %v", home, err)
	}
	for _, c := range []struct{ file, text, line string }{
		{"passwd", got.Passwd, "pi:x:1000:1000:,,,:/home/pi:/bin/bash\n"},
		{"shadow", got.Shadow, "pi:*:"},
		{"group", got.Group, "sudo:x:27:pi\npi:x:1000:\n"},
		{"gshadow", got.Gshadow, "sudo:*::pi\npi:!::\n"},
		{"subuid", got.Subuid, "pi:100000:65536\n"},
	} {
		if !strings.Contains(c.text, c.line) {
			t.Errorf("%s lacks %q:\n%s", c.file, c.line, c.text)
		}
	}
}

func TestSetUserRefusesASystemUsersName(t *testing.T) {
	if _, _, err := piGen.SetUser("root", 1000, ""); err == nil || !strings.Contains(err.Error(), `"root"`) {
		t.Errorf("got %v, want an error that names root", err)
	}
}
