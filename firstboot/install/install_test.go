package install

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"

	"github.com/google/go-cmp/cmp"
)

const (
	debian13 = "PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\nVERSION_ID=\"13\"\n"
	id       = "5a4ab4b6-1f7c-4d0c-9c0e-0d3f7f6f4c11"
	unit     = "/usr/lib/systemd/system/berry-firstboot.service"
	asked    = "dpkg-query --show '--showformat=${Package} ${db:Status-Status}\n' apache2 openssh-server"
)

// balancer is the folder of a balancer's installer.
func balancer(t *testing.T, change ...func(*node.File)) fstest.MapFS {
	t.Helper()
	f := node.File{
		Version: node.Version, Cluster: "berries", Name: "lb", Role: node.Balancer, TimeZone: "Etc/UTC", Locale: "C.UTF-8", ID: id,
		Nodes: []node.Node{{Name: "cluster01", Role: node.Storage}, {Name: "lb", Role: node.Balancer}},
	}
	for _, c := range change {
		c(&f)
	}
	data, err := node.Encode(f)
	if err != nil {
		t.Fatal(err)
	}
	folder := &fstest.MapFile{Mode: fs.ModeDir | 0o755}
	return fstest.MapFS{
		"packages":                 {Data: []byte("apache2\nopenssh-server\n"), Mode: 0o644},
		"files/etc":                folder,
		"files/etc/berry":          folder,
		"files/usr":                folder,
		"files/usr/lib":            folder,
		"files/usr/lib/berry":      folder,
		"files" + node.Path:        {Data: data, Mode: 0o600},
		"files/etc/berry/tls":      {Mode: fs.ModeDir | 0o700},
		"files" + node.KeyPath:     {Data: []byte("key"), Mode: 0o600},
		"files" + unit:             {Data: []byte("[Unit]\n"), Mode: 0o644},
		"files/usr/lib/berry/prog": {Data: []byte("ELF"), Mode: 0o755},
	}
}

// server is a fresh Debian server.
func server(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	return hosttest.New(t, map[string]string{"/etc/os-release": debian13, "/run/systemd/system/": "", "/usr/lib/systemd/system/": ""}, transcript...)
}

func run(t *testing.T, h *hosttest.Host, from fs.FS) (said []string, err error) {
	t.Helper()
	err = Run(t.Context(), h.Host, from, func(doing string) { said = append(said, doing) })
	return said, err
}

func TestAFreshServerBecomesTheBalancer(t *testing.T) {
	h := server(t,
		hosttest.Exchange{Cmd: asked, Stdout: "openssh-server installed\n", Exit: 1},
		hosttest.Exchange{Cmd: "apt-get -q -o DPkg::Lock::Timeout=600 update"},
		hosttest.Exchange{Cmd: "apt-get -q -o DPkg::Lock::Timeout=600 --yes --no-install-recommends install apache2"})
	said, err := run(t, h, balancer(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"installing apache2", "writing the files of lb", "starting berry-firstboot.service"}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"reload", "enable berry-firstboot.service", "restart berry-firstboot.service"}, h.Units.Asked); diff != "" {
		t.Errorf("asked of systemd (-want +got):\n%s", diff)
	}
	modes := map[string]fs.FileMode{node.Path: 0o600, "/etc/berry/tls": fs.ModeDir | 0o700, node.KeyPath: 0o600, unit: 0o644, "/usr/lib/berry/prog": 0o755}
	for name, mode := range modes {
		if info, err := os.Stat(h.Path(name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v %v, want %v", name, info, err, mode)
		}
	}
	if _, err := node.ReadFile(h.Path(node.Path)); err != nil {
		t.Error(err)
	}
}

func TestALaterInstallerReplacesTheFiles(t *testing.T) {
	has := hosttest.Exchange{Cmd: asked, Stdout: "apache2 installed\nopenssh-server installed\n"}
	h := server(t, has, has)
	if _, err := run(t, h, balancer(t)); err != nil {
		t.Fatal(err)
	}
	later := balancer(t)
	later["files"+node.KeyPath] = &fstest.MapFile{Data: []byte("another"), Mode: 0o600}
	if _, err := run(t, h, later); err != nil {
		t.Fatal(err)
	}
	if got := h.Read(node.KeyPath); got != "another" {
		t.Errorf("the key is %q", got)
	}
}

// TestWhatIsRefused wants a server that does not suit to stay as it is.
func TestWhatIsRefused(t *testing.T) {
	tests := []struct {
		name   string
		from   fs.FS
		change func(*hosttest.Host)
		want   string
	}{
		{"another folder", fstest.MapFS{}, nil, "this is no folder of an installer"},
		{"a storage node", balancer(t, func(f *node.File) {
			f.Name, f.Role = "cluster01", node.Storage
			f.Brick = &node.Brick{Label: "b", Mount: "/export", Dir: "/export/brick"}
		}), nil, "cluster01 is a storage node, which needs a card"},
		{"Ubuntu", balancer(t), func(h *hosttest.Host) {
			h.Write("/etc/os-release", "PRETTY_NAME=\"Ubuntu 24.04\"\nID=ubuntu\nVERSION_ID=\"24.04\"\n")
		}, "this system is Ubuntu 24.04, and has to be Debian 12 or newer"},
		{"an old Debian", balancer(t), func(h *hosttest.Host) {
			h.Write("/etc/os-release", strings.ReplaceAll(debian13, "13", "11"))
		}, "this system is Debian GNU/Linux 11 (trixie), and has to be"},
		{"what says nothing of itself", balancer(t), func(h *hosttest.Host) { h.Remove("/etc/os-release") }, "this system is unknown to us"},
		{"a container without systemd", balancer(t), func(h *hosttest.Host) { h.Remove("/run/systemd/system") }, "systemd does not run here"},
		{"somebody's web server", balancer(t), func(h *hosttest.Host) {
			h.Write("/etc/apache2/sites-enabled/000-default.conf", "x")
			h.Write("/etc/apache2/sites-enabled/shop.conf", "x")
		}, "a site of yours, /etc/apache2/sites-enabled/shop.conf, whose port the balancer needs; take another server, or type: a2dissite shop"},
		{"the node of another cluster", balancer(t), func(h *hosttest.Host) {
			h.Write(node.Path, `{"version": 9, "cluster": "pies", "name": "lb", "id": "x"}`)
		}, "the node lb of the cluster pies (x) already, not lb of berries (" + id + "); if it should be that no more, type: rm /etc/berry/node.json"},
		{"a node file that is damaged", balancer(t), func(h *hosttest.Host) { h.Write(node.Path, "{") }, "type: rm /etc/berry/node.json"},
	}
	for _, tt := range tests {
		h := server(t)
		if tt.change != nil {
			tt.change(h)
		}
		said, err := run(t, h, tt.from)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if len(said) > 0 || len(h.Units.Asked) > 0 || h.Host.Files.Exists("/usr/lib/berry") {
			t.Errorf("%s: %q was said, %q asked", tt.name, said, h.Units.Asked)
		}
	}
}

func TestWhatAptSaysIsPassedOn(t *testing.T) {
	h := server(t, hosttest.Exchange{Cmd: asked, Exit: 1},
		hosttest.Exchange{Cmd: "apt-get -q -o DPkg::Lock::Timeout=600 update", Fails: "E: no network", Exit: 100})
	_, err := run(t, h, balancer(t))
	if err == nil || !strings.Contains(err.Error(), "cannot install packages") || !strings.Contains(err.Error(), "E: no network") {
		t.Errorf("%v", err)
	}
	if h.Host.Files.Exists(node.Path) {
		t.Error("there is a node file without the packages of the node")
	}
}
