package steps

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"berries/firstboot/host"
	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"

	"github.com/google/go-cmp/cmp"
)

// web is a node that is to have a web server and no X11.
var web = node.File{Packages: &node.Packages{
	Pool:    "/var/lib/berry/pool",
	Install: []string{"apache2", "rsync"},
	Versions: []node.Package{
		{Name: "apache2", Version: "2.4.62-1", Arch: "arm64"},
		{Name: "libapr1", Version: "1.7.2-3", Arch: "arm64"},
	},
	Purge: []string{"midori", "x11-common"},
}}

// fresh is the machine before the first run.
func fresh() map[string]string {
	return map[string]string{
		"/var/lib/berry/pool/Packages":    "",
		"/var/lib/berry/pool/a.deb":       "",
		"/var/lib/dpkg/status":            "Package: dpkg\n",
		"/usr/sbin/":                      "",
		"/run/":                           "",
		"/proc/self/mountinfo":            "1 0 179:2 / / rw - ext4 /dev/root rw\n",
		unitDir + "/sshd.service":         "-> /usr/lib/systemd/system/ssh.service",
		unitDir + "/a.wants/ssh.service":  "-> /usr/lib/systemd/system/ssh.service",
		unitDir + "/b.requires/x.service": "-> /usr/lib/systemd/system/x.service",
	}
}

// lists is one look, which finds these packages besides dpkg: "name version" or
// "name version status" or "name version status flag".
func lists(packages ...string) hosttest.Exchange {
	text := "dpkg\tarm64\t1.22\tinstalled\tok\n"
	for _, p := range packages {
		f := strings.Fields(p)
		f = append(f, []string{"installed", "ok"}[len(f)-2:]...)
		text += strings.Join([]string{f[0], "arm64", f[1], f[2], f[3]}, "\t") + "\n"
	}
	return hosttest.Exchange{
		Cmd:    `dpkg-query --show '--showformat=${Package}\t${Architecture}\t${Version}\t${db:Status-Status}\t${db:Status-Eflag}\n'`,
		Stdout: text,
	}
}

func ran(cmd string) hosttest.Exchange { return hosttest.Exchange{Cmd: cmd} }

const get = "apt-get -q -c /run/berry-packages/apt.conf "

var (
	settled = ran("sync --file-system /")
	ordered = ran("mount -o remount,nodelalloc /")
	// mended is how what a cut has left is finished.
	mended = ran("dpkg --force-confdef --force-confold --configure --pending")
	// installing is what install runs.
	installing = []hosttest.Exchange{
		settled, ordered,
		mended,
		ran(get + "update"),
		ran(get + "--fix-broken --no-remove install"),
		ran(get + "--no-remove dist-upgrade apache2 rsync"),
	}
	// finishing is what comes once everything is there.
	finishing = []hosttest.Exchange{
		ran("apt-mark -c /run/berry-packages/apt.conf manual apache2 rsync"),
		ran("apt-mark -c /run/berry-packages/apt.conf auto libapr1"),
		ran(generator),
		ran("sync"),
		ran("mount -o remount,delalloc /"),
	}
	whole = lists("apache2 2.4.62-1", "libapr1 1.7.2-3", "rsync 3.2")
)

// script joins exchanges and lists of them.
func script(parts ...any) []hosttest.Exchange {
	var all []hosttest.Exchange
	for _, p := range parts {
		switch p := p.(type) {
		case hosttest.Exchange:
			all = append(all, p)
		case []hosttest.Exchange:
			all = append(all, p...)
		}
	}
	return all
}

func wantEnd(t *testing.T, h *hosttest.Host, f node.File, state status.State, err string) {
	t.Helper()
	want := status.Step{Name: "packages", State: state, Error: err}
	if diff := cmp.Diff(want, run(t, h, f, Packages{})); diff != "" {
		t.Errorf("the step ended (-want +got):\n%s", diff)
	}
}

// wantFreed fails where the step has left something.
func wantFreed(t *testing.T, h *hosttest.Host) {
	t.Helper()
	for _, name := range []string{"/var/lib/berry/pool", "/var/lib/berry/pool.gone", policyFile, generator, aptDir} {
		if h.Files.Exists(name) {
			t.Errorf("%s is left", name)
		}
	}
}

func TestPackagesInstallsPurgesAndFreesThePool(t *testing.T) {
	var h *hosttest.Host
	seen := map[string]string{}
	look := func(names ...string) func() {
		return func() {
			for _, name := range names {
				seen[name] = h.Read(name)
			}
		}
	}
	before := lists("x11-common 7.7", "libapr1 1.7.0-1")
	inst := script(installing)
	inst[5].Then = look(policyFile, "/run/berry-packages/sources.list", "/var/lib/berry/pool/enabled-before")
	installed := lists("apache2 2.4.62-1", "libapr1 1.7.2-3", "rsync 3.2", "x11-common 7.7")
	h = hosttest.New(t, fresh(), script(before, before, inst, installed,
		settled, ordered, mended, hosttest.Exchange{Cmd: get + "--simulate purge x11-common", Stdout: "Reading...\nPurg xorg:arm64 [7.7]\nPurg x11-common [7.7]\n"},
		ran(get+"purge x11-common"), whole, finishing, whole, whole)...)
	wantEnd(t, h, web, status.Done, "")
	wantFreed(t, h)
	if diff := cmp.Diff([]string{"reload"}, h.Units.Asked); diff != "" {
		t.Errorf("asked of systemd (-want +got):\n%s", diff)
	}
	want := map[string]string{
		policyFile:                           policy,
		"/run/berry-packages/sources.list":   "deb [trusted=yes] file:/var/lib/berry/pool ./\n",
		"/var/lib/berry/pool/enabled-before": unitDir + "/a.wants/ssh.service\n" + unitDir + "/b.requires/x.service\n",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("while apt-get ran (-want +got):\n%s", diff)
	}
}

func TestPackagesFindsNothingToDo(t *testing.T) {
	tests := []struct {
		name string
		dpkg hosttest.Exchange
	}{
		{"as it was installed", whole},
		{"upgraded by the owner", lists("apache2 2.4.70-1", "libapr1 1.7.2-3", "rsync 3.2", "midori 1")},
		{"with something of the owner's half installed", lists("apache2 2.4.62-1", "libapr1 1.7.2-3", "rsync 3.2", "nano 8 half-configured")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := fresh()
			delete(files, "/var/lib/berry/pool/Packages")
			delete(files, "/var/lib/berry/pool/a.deb")
			wantEnd(t, hosttest.New(t, files, tt.dpkg), web, status.AlreadyDone, "")
		})
	}
}

func TestPackagesGoesOnAfterACut(t *testing.T) {
	configure := installing[2]
	configure.Fails = "dpkg: dependency problems prevent configuration of apache2"
	repaired := script(settled, ordered, configure, installing[3:])
	tests := []struct {
		name   string
		change map[string]string // "" takes a file away
		script []hosttest.Exchange
	}{
		{"while packages were unpacked", map[string]string{policyFile: policy, "/var/lib/berry/pool/enabled-before": unitDir + "/a.wants/ssh.service\n"},
			script(lists("apache2 2.4.62-1 unpacked", "rsync 3.2"), lists("apache2 2.4.62-1 unpacked", "rsync 3.2"), repaired, whole, finishing, whole, whole)},
		{"while a package of the base was upgraded", nil,
			script(lists("libc6 2.36 half-installed reinstreq"), lists("libc6 2.36 half-installed reinstreq"), installing, whole, finishing, whole, whole)},
		{"while dpkg removed what it had set aside", map[string]string{"/var/lib/berry/pool/libapr1_1.7.2-3_arm64.deb": "libapr1", "/var/lib/berry/pool/rsync_3.2_arm64.deb": "rsync"},
			script(lists("libapr1 1.7.2-3 unpacked reinstreq"), lists("libapr1 1.7.2-3 unpacked reinstreq"), settled, ordered, configure,
				ran("dpkg --force-confdef --force-confold --unpack /var/lib/berry/pool/libapr1_1.7.2-3_arm64.deb"), installing[3:], whole, finishing, whole, whole)},
		{"before the pool was freed", nil, script(whole, whole, finishing, whole, whole)},
		{"while the pool was freed", map[string]string{"/var/lib/berry/pool.gone/a.deb": "", "/var/lib/berry/pool/Packages": "", "/var/lib/berry/pool/a.deb": ""},
			script(whole, whole, whole, whole)},
		{"before the generator was removed", map[string]string{generator: "#!/bin/sh\n", "/var/lib/berry/pool/Packages": "", "/var/lib/berry/pool/a.deb": ""},
			script(whole, whole, whole, whole)},
		{"before policy-rc.d was removed", map[string]string{policyFile: policy, "/var/lib/berry/pool/Packages": "", "/var/lib/berry/pool/a.deb": ""},
			script(whole, whole, whole, whole)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := fresh()
			for name, content := range tt.change {
				files[name] = content
				if content == "" && !strings.Contains(name, ".gone") {
					delete(files, name)
				}
			}
			h := hosttest.New(t, files, tt.script...)
			wantEnd(t, h, web, status.Done, "")
			wantFreed(t, h)
		})
	}
}

func TestPackagesSaysWhatIsWrong(t *testing.T) {
	bare := func(m map[string]string) map[string]string {
		delete(m, "/var/lib/berry/pool/Packages")
		delete(m, "/var/lib/berry/pool/a.deb")
		return m
	}
	with := func(name, content string) map[string]string {
		m := fresh()
		m[name] = content
		return m
	}
	fails := func(i int, says string) []hosttest.Exchange {
		all := script(installing[:i+1])
		all[i].Fails = says
		return all
	}
	none := lists("rsync 3.2")
	newer := lists("apache2 2.4.70-1", "libapr1 1.7.2-3", "rsync 3.2")
	tests := []struct {
		name   string
		files  map[string]string
		script []hosttest.Exchange
		want   string
	}{
		{"a package that is newer than it must be", fresh(), script(newer, newer, installing, newer, newer),
			"still not as it should be: apache2 is 2.4.70-1, not 2.4.62-1; type: apt-get -c /run/berry-packages/apt.conf install --allow-downgrades apache2=2.4.62-1; /var/lib/berry/pool takes up space"},
		{"no pool and no package", bare(fresh()), script(none, none, none),
			"still not as it should be: not installed, and there is no /var/lib/berry/pool to install from: apache2, libapr1; type: apt-get install apache2 libapr1"},
		{"a full card", fresh(), script(none, none, fails(5, "dpkg: error: cannot copy extracted data: No space left on device")),
			"cannot install from /var/lib/berry/pool: the root filesystem is full; write a larger root_size into the profile and build the image again: " +
				installing[5].Cmd + ": exit status 1: dpkg: error: cannot copy extracted data: No space left on device"},
		{"a damaged package", fresh(), script(none, none, fails(4, "E: Hash Sum mismatch")),
			"cannot install from /var/lib/berry/pool: " + installing[4].Cmd + ": exit status 1: E: Hash Sum mismatch"},
		{"a policy of somebody else's", with(policyFile, "#!/bin/sh\nexit 0\n"), script(none, none),
			"somebody else's /usr/sbin/policy-rc.d decides which services start, and is not overwritten; type: rm /usr/sbin/policy-rc.d"},
		{"a purge that would take ours away", fresh(), script(lists("apache2 2.4.62-1", "libapr1 1.7.2-3", "rsync 3.2", "x11-common 7.7"), lists("apache2 2.4.62-1", "libapr1 1.7.2-3", "rsync 3.2", "x11-common 7.7"),
			settled, ordered, mended, hosttest.Exchange{Cmd: get + "--simulate purge x11-common", Stdout: "Remv apache2:arm64 [2.4]\nPurg x11-common [7.7]\n"}),
			"taking away x11-common would take apache2 away with it; take it out of the packages to purge and build the image again"},
		{"no list of packages at all", fresh(), script(hosttest.Exchange{Cmd: none.Cmd, Fails: "dpkg-query: error: parsing file '/var/lib/dpkg/status'"}),
			"cannot list the installed packages: " + none.Cmd + ": exit status 1: dpkg-query: error: parsing file '/var/lib/dpkg/status'"},
		{"a list of packages without dpkg", fresh(), script(hosttest.Exchange{Cmd: none.Cmd}),
			"cannot list the installed packages: dpkg does not list itself; flash the card again"},
		{"an older record, but another fault", with("/var/lib/dpkg/status-old", "Package: dpkg\n\n"), script(hosttest.Exchange{Cmd: none.Cmd, Fails: "out of memory"}),
			"cannot list the installed packages: " + none.Cmd + ": exit status 1: out of memory"},
		{"a package asked for that came from nowhere", fresh(), script(lists("apache2 2.4.62-1", "libapr1 1.7.2-3"), lists("apache2 2.4.62-1", "libapr1 1.7.2-3"),
			installing, lists("apache2 2.4.62-1", "libapr1 1.7.2-3"), lists("apache2 2.4.62-1", "libapr1 1.7.2-3")),
			"still not as it should be: not installed: rsync; /var/lib/berry/pool takes up space"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := hosttest.New(t, tt.files, tt.script...)
			wantEnd(t, h, web, status.Failed, tt.want)
			if text := h.Read(policyFile); text != tt.files[policyFile] {
				t.Errorf("%s is %q, and was %q", policyFile, text, tt.files[policyFile])
			}
		})
	}
}

func TestPackagesGoesBackToTheOldRecord(t *testing.T) {
	files := fresh()
	files["/var/lib/dpkg/status"] = ""
	files["/var/lib/dpkg/status-old"] = "Package: bash\n\nPackage: dpkg\n"
	empty := whole
	empty.Stdout = ""
	h := hosttest.New(t, files, script(empty, empty, whole, finishing, whole, whole)...)
	wantEnd(t, h, web, status.Done, "")
	if got, want := h.Read("/var/lib/dpkg/status"), files["/var/lib/dpkg/status-old"]; got != want {
		t.Errorf("the record is %q, want %q", got, want)
	}
}

func TestPackagesWaitsForOthers(t *testing.T) {
	var said []string
	taken := installing[5]
	taken.Fails = "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 312 (unattended-upgr)"
	h := hosttest.New(t, fresh(), script(lists(), installing[:5], taken, taken, installing[5:], whole, finishing, whole)...)
	began := h.Clock.Now()
	if err := (Packages{}).Act(t.Context(), h.Host, web, func(s string) { said = append(said, s) }); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"installing 2 packages", "waiting for another program that installs packages",
		"waiting for another program that installs packages", "freeing /var/lib/berry/pool",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if waited := h.Clock.Now().Sub(began).Seconds(); waited < 10 {
		t.Errorf("it waited %.1fs for two attempts", waited)
	}
}

// TestTheGenerator runs the real one by the real shell, in a root of the test's
// own, which its paths are led to.
func TestTheGenerator(t *testing.T) {
	files := fresh()
	for unit, list := range map[string]string{
		"apache2.service": "apache2.list", "apache2.timer": "apache2.list", "apr.socket": "libapr1:arm64.list",
		"ssh.service": "apache2.list", "cron.service": "cron.list",
	} {
		files["/var/lib/dpkg/info/"+list] += "/.\n/lib/systemd/system/" + unit + "\n"
		files[unitDir+"/a.wants/"+unit] = "-> /lib/systemd/system/" + unit
	}
	files["/early/"] = ""
	h := hosttest.New(t, files)
	in := installer{h.Host, *web.Packages, nil}
	in.h.Files.Replace(in.enabledList(), []byte(h.Path(unitDir)+"/a.wants/ssh.service\n"), 0o644)
	text := in.generatorText()
	for _, dir := range []string{unitDir, in.p.Pool, "/var/lib/dpkg"} {
		text = strings.ReplaceAll(text, dir, h.Path(dir))
	}
	sh := func(args ...string) {
		cmd := host.Command("sh", append([]string{"-s", "-"}, args...)...)
		cmd.Stdin = strings.NewReader(text)
		if _, err := (host.Exec{}).Run(t.Context(), cmd); err != nil {
			t.Error(err)
		}
	}
	names := func(dir string) []string {
		list, err := h.Files.List(dir)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := names(unitDir + "/a.wants")
	sh(h.Path("/normal"), h.Path("/early"), h.Path("/late"))
	if diff := cmp.Diff([]string{"apache2.service", "apr.socket"}, names("/early")); diff != "" || h.Read("/early/apr.socket") != "-> /dev/null" {
		t.Errorf("masked (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, names(unitDir+"/a.wants")); diff != "" {
		t.Errorf("enabled after a boot (-want +got):\n%s", diff)
	}
	sh()
	if diff := cmp.Diff([]string{"apache2.timer", "cron.service", "ssh.service"}, names(unitDir+"/a.wants")); diff != "" {
		t.Errorf("enabled in the end (-want +got):\n%s", diff)
	}
	h.Remove(in.p.Pool)
	h.Write(unitDir+"/a.wants/apache2.service", "-> /lib/systemd/system/apache2.service")
	sh()
	if got := h.Read(unitDir + "/a.wants/apache2.service"); got == "" {
		t.Error("it removes what was enabled after the pool vanished")
	}
}

// The one that packages' scripts find reads no units anew, and is the real one else.
func TestScriptsHaveUnitsReadOnceAtTheEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "systemctl")
	if err := os.WriteFile(name, []byte(systemctl), 0o755); err != nil {
		t.Fatal(err)
	}
	for words, want := range map[string]string{"--system daemon-reload": "", "--version": "systemd "} {
		out, err := exec.Command(name, strings.Fields(words)...).CombinedOutput()
		if begin, _, _ := strings.Cut(string(out), "2"); err != nil || begin != want {
			t.Errorf("systemctl %s: %v, %q", words, err, out)
		}
	}
}
