package steps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// abroad is a node with a name of dynamic DNS.
func abroad() node.File {
	return node.File{Name: "cluster04", Role: node.Remote, DDNS: &node.DDNS{
		Protocol: "dyndns2", Server: "dyndns.strato.com/nic/update", Login: "mydns.example", Password: "top secret", Host: "berries.example.net"}}
}

const (
	abroadConf = `# Written by berry-firstboot, which takes changes back.
protocol=dyndns2
use=web
web=ipify-ipv4
ssl=yes
timeout=30
server=dyndns.strato.com
script=/nic/update
login='mydns.example'
password='top secret'
berries.example.net
`
	ddclientWanted = unitDir + "/multi-user.target.wants/ddclient.service"
	took           = "SUCCESS:  updating berries.example.net: good: IP address set to 192.0.2.7\n"
	badauth        = "FAILED:   updating berries.example.net: badauth: Bad authorization (username or password)\n"
	onceUpdated    = "ddclient -daemon=0 -force -noquiet"
)

// set is a clock that stands still until it is set.
type set struct{ now time.Time }

func (s *set) Now() time.Time { return s.now }

func (s *set) Sleep(ctx context.Context, d time.Duration) error {
	s.now = s.now.Add(d)
	return context.Cause(ctx)
}

func noon() *set { return &set{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

// version is what dpkg-query says, so many times.
func version(v string, times int) []hosttest.Exchange {
	return slices.Repeat([]hosttest.Exchange{{Cmd: "dpkg-query --show '--showformat=${Version}' ddclient", Stdout: v}}, times)
}

// cacheLine is ddclient's cache with one host.
func cacheLine(status string, at time.Time, more string) string {
	return fmt.Sprintf("## ddclient-3.10.0\n## last updated at Sun Mar  1 12:00:00 2026 (%d)\n"+
		"atime=%d,backupmx=0,custom=0,host=berries.example.net,ip=192.0.2.7,mtime=%d,mx=,script=/nic/update,static=0,status=%s,status-ipv4=%s,%swildcard=0 berries.example.net\n",
		at.Unix(), at.Unix(), at.Unix(), status, status, more)
}

// packagedDDClient is a node on which the package was installed and nothing more.
func packagedDDClient(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	h := hosttest.New(t, map[string]string{
		"/etc/ddclient.conf":                  "protocol=noip \\\nuse=web\n",
		"/etc/default/":                       "",
		unitDir + "/multi-user.target.wants/": "",
		"/var/lib/":                           "",
	}, transcript...)
	h.Host.Clock = noon()
	h.Units.Then = func(asked string) error {
		if asked == "enable ddclient.service" {
			h.Write(ddclientWanted, "-> /lib/systemd/system/ddclient.service")
		}
		return nil
	}
	return h
}

// updated is how ddclient is run once, what it prints, and what its cache says then.
func updated(h **hosttest.Host, stdout, fails, status string) hosttest.Exchange {
	e := hosttest.Exchange{Cmd: onceUpdated, Stdout: stdout, Fails: fails}
	e.Then = func() { (*h).Write(ddclientCache, cacheLine(status, (*h).Clock.Now(), "")) }
	return e
}

func inOrder(parts ...[]hosttest.Exchange) []hosttest.Exchange { return slices.Concat(parts...) }

func TestDDClientSendsOneUpdateBeforeTheServiceRuns(t *testing.T) {
	var h *hosttest.Host
	h = packagedDDClient(t, inOrder(version("3.10.0-2", 4), []hosttest.Exchange{updated(&h, took, "", "good")}, version("3.10.0-2", 4))...)
	end, said := told(t, h.Host, abroad(), DDClient{})
	same(t, "end", status.Step{Name: "ddclient", State: status.Done}, end)
	same(t, "said", []string{"writing /etc/ddclient.conf", "writing /etc/default/ddclient", "sending an update to dyndns.strato.com/nic/update",
		"enabling ddclient", "starting ddclient"}, said)
	same(t, "asked of systemd", []string{"stop ddclient.service", "enable ddclient.service", "restart ddclient.service"}, h.Units.Asked)
	same(t, "configuration", abroadConf, h.Read("/etc/ddclient.conf"))
	for _, name := range []string{"/etc/ddclient.conf", updatePath} {
		if info, err := h.Files.Stat(name); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 600", name, info.Mode(), err)
		}
	}
}

// updatedNode is a node on which nothing is left to do.
func updatedNode(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	h := packagedDDClient(t, transcript...)
	d := dynamic{h.Host, *abroad().DDNS}
	if err := errors.Join(h.Files.Replace(ddclientConf, []byte(abroadConf), 0o600), d.note(update{Config: sumOf(abroadConf)})); err != nil {
		t.Fatal(err)
	}
	h.Write(ddclientDefault, ddclientDefaults)
	h.Write(ddclientWanted, "-> /lib/systemd/system/ddclient.service")
	h.Write(ddclientCache, cacheLine("good", h.Clock.Now(), ""))
	h.Units.Asked = []string{"restart ddclient.service"}
	return h
}

func TestDDClientHolds(t *testing.T) {
	end, _ := told(t, updatedNode(t, version("3.10.0-2", 1)...).Host, abroad(), DDClient{})
	same(t, "end", status.Step{Name: "ddclient", State: status.AlreadyDone}, end)
}

func TestDDClientSendsAnUpdateWhere(t *testing.T) {
	for name, change := range map[string]func(*hosttest.Host){
		"the cache has gone":            func(h *hosttest.Host) { h.Remove(ddclientCache) },
		"the cache was cut short":       func(h *hosttest.Host) { h.Write(ddclientCache, "## ddclient-3.10.0\n") },
		"none was ever sent":            func(h *hosttest.Host) { h.Remove(updatePath) },
		"the card lost what came of it": func(h *hosttest.Host) { h.Write(updatePath, "\x00\x00") },
		"it was sent with another password": func(h *hosttest.Host) {
			h.Write(updatePath, `{"config": "0123", "words": "badauth", "until": "2026-03-01T13:00:00Z"}`)
		},
		"the service's last failed a while ago": func(h *hosttest.Host) {
			h.Write(ddclientCache, cacheLine("noconnect", h.Clock.Now().Add(-5*time.Minute), ""))
		},
		"its wait is over": func(h *hosttest.Host) {
			dynamic{h.Host, *abroad().DDNS}.note(update{Config: sumOf(abroadConf), Words: "badauth", Until: h.Clock.Now()})
		},
		"the clock was wrong when it failed": func(h *hosttest.Host) {
			dynamic{h.Host, *abroad().DDNS}.note(update{Config: sumOf(abroadConf), Words: "badauth", Until: h.Clock.Now().AddDate(12, 0, 0)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			var h *hosttest.Host
			h = updatedNode(t, inOrder(version("3.10.0-2", 2), []hosttest.Exchange{updated(&h, took, "", "good")}, version("3.10.0-2", 3))...)
			change(h)
			end, said := told(t, h.Host, abroad(), DDClient{})
			same(t, "end", status.Step{Name: "ddclient", State: status.Done}, end)
			same(t, "said", []string{"sending an update to dyndns.strato.com/nic/update", "starting ddclient"}, said)
		})
	}
}

func TestARefusalIsToldAndNotRepeatedTooSoon(t *testing.T) {
	const words = "berries.example.net was not updated: badauth: Bad authorization (username or password); " +
		"correct login and password of ddns in the profile, and build the card anew; tried again after 2026-03-01 %s UTC; " +
		"to try at once, type: rm /var/lib/berry/ddclient.json"
	var h *hosttest.Host
	refused := hosttest.Exchange{Cmd: onceUpdated, Fails: badauth}
	h = updatedNode(t, inOrder(version("3.10.0-2", 2), []hosttest.Exchange{refused}, version("3.10.0-2", 1), // refused
		version("3.10.0-2", 2), []hosttest.Exchange{refused}, // refused again
		version("3.10.0-2", 2), []hosttest.Exchange{updated(&h, took, "", "good")}, version("3.10.0-2", 3))...)
	h.Remove(updatePath)
	clock := h.Host.Clock.(*set)
	want := func(end status.Step, until string) {
		t.Helper()
		same(t, "end", status.Step{Name: "ddclient", State: status.Failed, Error: fmt.Sprintf(words, until)}, end)
	}
	end, _ := told(t, h.Host, abroad(), DDClient{})
	want(end, "12:30")
	clock.now = clock.now.Add(29 * time.Minute)
	end, _ = told(t, h.Host, abroad(), DDClient{})
	want(end, "12:30")
	clock.now = clock.now.Add(time.Minute)
	end, _ = told(t, h.Host, abroad(), DDClient{})
	want(end, "13:30")
	clock.now = clock.now.Add(time.Hour)
	end, _ = told(t, h.Host, abroad(), DDClient{})
	same(t, "end", status.Step{Name: "ddclient", State: status.Done}, end)
	if text := h.Read(updatePath); strings.Contains(text, "badauth") || !strings.Contains(text, `"refusals":0`) {
		t.Errorf("it is remembered: %s", text)
	}
}

func TestTheServiceDoesNotAskWhileTheProviderWantsPeace(t *testing.T) {
	h := updatedNode(t, version("3.10.0-2", 5)...)
	h.Write(ddclientCache, cacheLine("badauth", h.Clock.Now().Add(-time.Minute), ""))
	end, said := told(t, h.Host, abroad(), DDClient{})
	same(t, "end", status.Failed, end.State)
	if want := "berries.example.net was not updated: ddclient could not keep it up to date: badauth; see"; !strings.HasPrefix(end.Error, want) {
		t.Errorf("error %s, want %s", end.Error, want)
	}
	h.Units.Asked = append(h.Units.Asked, "start ddclient.service") // as a boot does
	end, more := told(t, h.Host, abroad(), DDClient{})
	same(t, "end", status.Failed, end.State)
	same(t, "said", []string{"sending an update to dyndns.strato.com/nic/update", "stopping ddclient"}, append(said, more...))
	same(t, "asked of systemd", []string{"restart ddclient.service", "stop ddclient.service", "start ddclient.service", "stop ddclient.service"}, h.Units.Asked)
}

func TestTheConfigurationFitsTheVersion(t *testing.T) {
	tests := []struct {
		name, version string
		change        func(*node.DDNS)
		want          []string
	}{
		{"bookworm's", "3.10.0-2", nil, []string{"use=web", "web=ipify-ipv4"}},
		{"trixie's", "3.11.2-2", nil, []string{"usev4=webv4", "webv4=ipify-ipv4"}},
		{"a later one", "4.0.0-1~bpo13+1", nil, []string{"usev4=webv4"}},
		{"trixie's, with a protocol that knows no usev4", "3.11.2-2", func(d *node.DDNS) { d.Protocol = "noip" },
			[]string{"use=web", "server=dyndns.strato.com/nic/update"}},
		{"a server without a path", "3.10.0-2", func(d *node.DDNS) { d.Server = "members.dyndns.org:8245" }, []string{"server=members.dyndns.org:8245"}},
		{"quotes in a login and a password", "3.10.0-2", func(d *node.DDNS) { d.Login, d.Password = `o'neil\x`, `it's "so" #1\` },
			[]string{`login='o\'neil\\x'`, `password='it's "so" #1\'`}},
	}
	for _, tt := range tests {
		h := hosttest.New(t, nil, version(tt.version, 1)...)
		d := *abroad().DDNS
		if tt.change != nil {
			tt.change(&d)
		}
		got, err := dynamic{h.Host, d}.conf(t.Context())
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		for _, line := range tt.want {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("%s: no line %q in\n%s", tt.name, line, got)
			}
		}
	}
	d := *abroad().DDNS
	d.Login, d.Protocol = "", "duckdns"
	if got, _ := (dynamic{hosttest.New(t, nil, version("3.11.2-2", 1)...).Host, d}).conf(t.Context()); strings.Contains(got, "login") {
		t.Errorf("a token needs no login:\n%s", got)
	}
}

func TestAVersionThatIsNone(t *testing.T) {
	for _, tt := range []struct{ stdout, fails, want string }{
		{"", "dpkg-query: no packages found matching ddclient", "cannot tell the version of ddclient: dpkg-query --show"},
		{"new", "", "cannot tell the version of ddclient: dpkg-query --show '--showformat=${Version}' ddclient says \"new\""},
	} {
		e := version(tt.stdout, 1)[0]
		e.Fails = tt.fails
		_, err := DDClient{}.Look(t.Context(), hosttest.New(t, nil, e).Host, abroad())
		if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}
