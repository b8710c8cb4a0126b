package steps

import (
	"errors"
	"net/http"
	"testing"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/status"
)

// packagedApache is a node whose packages are installed and on which nothing has been
// configured.
func packagedApache() map[string]string {
	return map[string]string{
		"/etc/apache2/ports.conf":                     "Listen 80\n",
		"/etc/apache2/sites-available/":               "",
		"/etc/apache2/sites-enabled/000-default.conf": "-> ../sites-available/000-default.conf",
		"/etc/apache2/mods-enabled/":                  "",
		unitDir + "/multi-user.target.wants/":         "",
	}
}

const wanted = unitDir + "/multi-user.target.wants/apache2.service"

// servingNode is a node on which nothing is left to do.
func servingNode(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	w := webOf(nil, pi(1))
	h := hosttest.New(t, map[string]string{
		"/etc/apache2/ports.conf":                 w.ports(),
		"/etc/apache2/sites-available/berry.conf": w.site(),
		"/etc/apache2/sites-enabled/berry.conf":   "-> ../sites-available/berry.conf",
		"/etc/apache2/mods-enabled/rewrite.load":  "-> ../mods-available/rewrite.load",
		"/etc/apache2/mods-enabled/headers.load":  "-> ../mods-available/headers.load",
		wanted:                                    "-> /lib/systemd/system/apache2.service",
	}, transcript...)
	h.Units.Asked = []string{"start apache2.service"}
	h.Host.HTTP = always(http.StatusOK, w.sum())
	return h
}

// always is an Apache that answers like this.
func always(status int, sum string) hosttest.Server {
	return func(*http.Request) (int, string) { return status, sum }
}

var configtest = ran("apache2ctl configtest")

func TestWebIsConfiguredBeforeApacheStarts(t *testing.T) {
	h := hosttest.New(t, packagedApache(), configtest)
	answers := []int{503, 503, 200, 200}
	h.Host.HTTP = hosttest.Server(func(r *http.Request) (int, string) {
		if r.URL.String() != "http://127.0.0.1:8081/health" {
			t.Errorf("it asks for %s", r.URL)
		}
		code := answers[0]
		answers = answers[1:]
		return code, webOf(nil, pi(1)).sum()
	})
	h.Units.Then = func(asked string) error {
		if asked == "enable apache2.service" {
			h.Write(wanted, "-> /lib/systemd/system/apache2.service")
		}
		if asked == "restart apache2.service" && h.Files.Exists("/etc/apache2/sites-enabled/000-default.conf") {
			t.Error("Apache starts with the default site")
		}
		return nil
	}
	end, said := told(t, h.Host, pi(1), Web{})
	same(t, "end", status.Step{Name: "web", State: status.Done}, end)
	same(t, "said", []string{
		"writing /etc/apache2/ports.conf",
		"writing /etc/apache2/sites-available/berry.conf",
		"linking /etc/apache2/sites-enabled/berry.conf",
		"linking /etc/apache2/mods-enabled/rewrite.load",
		"linking /etc/apache2/mods-enabled/headers.load",
		"removing /etc/apache2/sites-enabled/000-default.conf",
		"enabling Apache",
		"starting Apache",
		"waiting for the volume at /mnt/www",
	}, said)
	same(t, "asked of systemd", []string{"enable apache2.service", "restart apache2.service"}, h.Units.Asked)
	same(t, "ports", "# Written by berry-firstboot, which takes changes back.\nListen 8081\n", h.Read("/etc/apache2/ports.conf"))
}

func TestWebHolds(t *testing.T) {
	end, _ := told(t, servingNode(t).Host, pi(1), Web{})
	same(t, "end", status.Step{Name: "web", State: status.AlreadyDone}, end)
}

// TestWebGoesOnAfterAnyCut takes one thing away, and wants it back, and Apache
// started again where it runs with something else.
func TestWebGoesOnAfterAnyCut(t *testing.T) {
	sum := webOf(nil, pi(1)).sum()
	tests := []struct {
		name    string
		change  func(*hosttest.Host)
		restart bool
	}{
		{"a port", func(h *hosttest.Host) { h.Write("/etc/apache2/ports.conf", "Listen 80\n") }, false},
		{"a site", func(h *hosttest.Host) { h.Remove("/etc/apache2/sites-available/berry.conf") }, false},
		{"a link", func(h *hosttest.Host) { h.Remove("/etc/apache2/mods-enabled/rewrite.load") }, false},
		{"a link elsewhere", func(h *hosttest.Host) {
			h.Remove("/etc/apache2/sites-enabled/berry.conf")
			h.Write("/etc/apache2/sites-enabled/berry.conf", "-> ../sites-available/other.conf")
		}, false},
		{"the default site", func(h *hosttest.Host) {
			h.Write("/etc/apache2/sites-enabled/000-default.conf", "-> ../sites-available/000-default.conf")
		}, false},
		{"an Apache that was not started", func(h *hosttest.Host) { h.Units.Asked = nil }, true},
		{"an Apache that nobody can reach", func(h *hosttest.Host) { h.Host.HTTP = always(0, "") }, true},
		{"an Apache that still runs as before", func(h *hosttest.Host) { h.Host.HTTP = always(200, "0123") }, true},
		{"an Apache with another site alone", func(h *hosttest.Host) { h.Host.HTTP = always(404, "") }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var cmds []hosttest.Exchange
			if tt.restart {
				cmds = append(cmds, configtest)
			}
			h := servingNode(t, cmds...)
			tt.change(h)
			before := len(h.Units.Asked)
			h.Units.Then = func(string) error { h.Host.HTTP = always(200, sum); return nil }
			end, _ := told(t, h.Host, pi(1), Web{})
			same(t, "end", status.Step{Name: "web", State: status.Done}, end)
			var want []string
			if tt.restart {
				want = []string{"restart apache2.service"}
			}
			same(t, "asked of systemd", want, append([]string(nil), h.Units.Asked[before:]...))
			list, err := webOf(h.Host, pi(1)).differences(t.Context())
			if err != nil || len(list) > 0 {
				t.Errorf("left: %v, %v", stateOf(list), err)
			}
		})
	}
}

func TestWebSaysWhatIsWrong(t *testing.T) {
	sum := webOf(nil, pi(1)).sum()
	tests := []struct {
		name   string
		change func(*hosttest.Host)
		want   string
	}{
		{"nobody listens", func(h *hosttest.Host) { h.Host.HTTP = always(0, "") }, "Apache does not answer: connection refused"},
		{"the volume is gone", func(h *hosttest.Host) { h.Host.HTTP = always(503, sum) }, "Apache does not find the volume at /mnt/www"},
		{"the brick is being rebuilt", func(h *hosttest.Host) { h.Host.HTTP = always(503, sum); h.Write(RebuildPath, "") },
			"nothing is served while the brick is being rebuilt"},
		{"the file cannot be read", func(h *hosttest.Host) { h.Host.HTTP = always(403, sum) },
			"error: apache2 answers 403 Forbidden to /health; type: tail /var/log/apache2/error.log"},
		{"it is not enabled", func(h *hosttest.Host) { h.Remove(wanted) }, "Apache is not started at boot"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := servingNode(t)
			tt.change(h)
			state, err := Web{}.Look(t.Context(), h.Host, pi(1))
			got := state.String()
			if err != nil {
				got = "error: " + err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWebDoesNotStopAnApacheForAConfigurationThatItRefuses(t *testing.T) {
	h := servingNode(t, hosttest.Exchange{Cmd: configtest.Cmd, Fails: "AH00526: Syntax error on line 1 of own.conf"})
	h.Host.HTTP = always(200, "0123")
	end, _ := told(t, h.Host, pi(1), Web{})
	same(t, "end", status.Step{Name: "web", State: status.Failed,
		Error: "apache2 refuses its configuration: apache2ctl configtest: exit status 1: AH00526: Syntax error on line 1 of own.conf"}, end)
	same(t, "asked of systemd", []string{"start apache2.service"}, h.Units.Asked)
}

func TestWebStartsApacheOnceWhereThatDoesNotHelp(t *testing.T) {
	h := servingNode(t, configtest)
	h.Host.HTTP = always(200, "0123")
	end, _ := told(t, h.Host, pi(1), Web{})
	same(t, "end", status.Step{Name: "web", State: status.Failed,
		Error: "still not as it should be: Apache runs with an earlier configuration"}, end)

	h = servingNode(t, configtest)
	h.Units.Asked = nil
	h.Units.Then = func(string) error { return errors.New("cannot restart apache2.service: port in use") }
	end, _ = told(t, h.Host, pi(1), Web{})
	same(t, "end", status.Step{Name: "web", State: status.Failed, Error: "cannot restart apache2.service: port in use"}, end)
}

func TestTheSumTellsConfigurationsApart(t *testing.T) {
	other := pi(1)
	web := *other.Web
	web.Port++
	other.Web = &web
	if a, b, c := webOf(nil, pi(1)).sum(), webOf(nil, other).sum(), webOf(nil, pi(2)).sum(); a == b || a == c || len(a) != 12 {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}
