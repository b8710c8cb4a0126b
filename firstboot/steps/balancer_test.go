package steps

import (
	"net/http"
	"strings"
	"testing"

	"berries/firstboot/host/hosttest"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// lb is the node file of a balancer.
func lb() node.File {
	return node.File{
		Name: "lb", Role: node.Balancer,
		Nodes: []node.Node{{Name: "cluster01", Role: node.Storage}, {Name: "cluster02", Role: node.Storage}, {Name: "cluster04", Role: node.Remote}, {Name: "lb", Role: node.Balancer}},
		Balancer: &node.Balancing{
			Port: 80, ServerName: "host.example.net", Aliases: []string{"www.host.example.net", "2001:db8::1"},
			Members: []node.Server{
				{Name: "cluster01", Host: "192.168.2.5", Port: 8081},
				{Name: "cluster02", Host: "2001:db8::5", Port: 8082},
				{Name: "cluster04", Host: "far.example.net", Port: 8480, Standby: true},
			},
		},
	}
}

var lbModules = []string{
	"proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests", "proxy_hcheck", "rewrite", "headers",
}

// readyBalancer is a balancer on which nothing is left to do.
func readyBalancer(t *testing.T, transcript ...hosttest.Exchange) *hosttest.Host {
	t.Helper()
	b := balancerOf(nil, lb())
	files := map[string]string{
		"/etc/apache2/ports.conf":                 b.ports(),
		"/etc/apache2/sites-available/berry.conf": b.site(),
		"/etc/apache2/sites-enabled/berry.conf":   "-> ../sites-available/berry.conf",
		wanted:                                    "-> /lib/systemd/system/apache2.service",
	}
	for _, m := range lbModules {
		files["/etc/apache2/mods-enabled/"+m+".load"] = "-> ../mods-available/" + m + ".load"
	}
	h := hosttest.New(t, files, transcript...)
	h.Units.Asked = []string{"start apache2.service"}
	h.Host.HTTP = always(http.StatusNoContent, b.sum())
	return h
}

func TestBalancerIsConfiguredBeforeApacheStarts(t *testing.T) {
	h := hosttest.New(t, packagedApache(), configtest)
	h.Host.HTTP = hosttest.Server(func(r *http.Request) (int, string) {
		if r.URL.String() != "http://127.0.0.1:80/berry-balancer" {
			t.Errorf("it asks for %s", r.URL)
		}
		return http.StatusNoContent, balancerOf(nil, lb()).sum()
	})
	h.Units.Then = func(asked string) error {
		if asked == "enable apache2.service" {
			h.Write(wanted, "-> /lib/systemd/system/apache2.service")
		}
		return nil
	}
	end, said := told(t, h.Host, lb(), Balancer{})
	same(t, "end", status.Step{Name: "balancer", State: status.Done}, end)
	want := []string{
		"writing /etc/apache2/ports.conf",
		"writing /etc/apache2/sites-available/berry.conf",
		"linking /etc/apache2/sites-enabled/berry.conf",
	}
	for _, m := range lbModules {
		want = append(want, "linking /etc/apache2/mods-enabled/"+m+".load")
	}
	want = append(want, "removing /etc/apache2/sites-enabled/000-default.conf", "enabling Apache", "starting Apache")
	same(t, "said", want, said)
	same(t, "asked of systemd", []string{"enable apache2.service", "restart apache2.service"}, h.Units.Asked)
}

func TestBalancerHolds(t *testing.T) {
	end, _ := told(t, readyBalancer(t).Host, lb(), Balancer{})
	same(t, "end", status.Step{Name: "balancer", State: status.AlreadyDone}, end)
}

// TestBalancerGoesOnAfterAnyCut takes one thing away, and wants it back, and Apache
// started again where it runs with something else.
func TestBalancerGoesOnAfterAnyCut(t *testing.T) {
	tests := map[string]func(*hosttest.Host){
		"an Apache that was not started":      func(h *hosttest.Host) { h.Units.Asked = nil },
		"an Apache that nobody can reach":     func(h *hosttest.Host) { h.Host.HTTP = always(0, "") },
		"an Apache that still runs as before": func(h *hosttest.Host) { h.Host.HTTP = always(204, "0123") },
		"an Apache with the members' site":    func(h *hosttest.Host) { h.Host.HTTP = always(404, "") },
		"a site":                              func(h *hosttest.Host) { h.Remove("/etc/apache2/sites-available/berry.conf") },
		"a port":                              func(h *hosttest.Host) { h.Write("/etc/apache2/ports.conf", "Listen 8080\n") },
		"the default site":                    func(h *hosttest.Host) { h.Write("/etc/apache2/sites-enabled/000-default.conf", "-> x") },
	}
	for _, m := range lbModules {
		tests["the module "+m] = func(h *hosttest.Host) { h.Remove("/etc/apache2/mods-enabled/" + m + ".load") }
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			var cmds []hosttest.Exchange
			if strings.HasPrefix(name, "an Apache") {
				cmds = append(cmds, configtest)
			}
			h := readyBalancer(t, cmds...)
			change(h)
			h.Units.Then = func(string) error {
				h.Host.HTTP = always(http.StatusNoContent, balancerOf(nil, lb()).sum())
				return nil
			}
			end, _ := told(t, h.Host, lb(), Balancer{})
			same(t, "end", status.Step{Name: "balancer", State: status.Done}, end)
			list, err := balancerOf(h.Host, lb()).differences(t.Context())
			if err != nil || len(list) > 0 {
				t.Errorf("left: %v, %v", stateOf(list), err)
			}
		})
	}
}

func TestBalancerSaysWhatApacheAnswers(t *testing.T) {
	h := readyBalancer(t)
	h.Host.HTTP = always(http.StatusForbidden, balancerOf(nil, lb()).sum())
	end, _ := told(t, h.Host, lb(), Balancer{})
	same(t, "end", status.Step{Name: "balancer", State: status.Failed,
		Error: "apache2 answers 403 Forbidden to /berry-balancer; type: tail /var/log/apache2/error.log"}, end)
}

func TestHowEachMemberIsAsked(t *testing.T) {
	const health = " hcmethod=GET hcuri=/health hcexpr=healthy hcinterval=2 hcpasses=1 hcfails=1"
	line := func(url, timeout, more string) string {
		return "BalancerMember http://" + url + " connectiontimeout=2 timeout=" + timeout + " retry=5 ttl=3" + health + more
	}
	for name, tt := range map[string]struct {
		change  func(*node.File)
		timeout string
		again   []string
	}{
		"a remote node bridges what others wait for": {func(*node.File) {}, "5", []string{
			line("192.168.2.5:8081", "25", " lbset=1"),
			line("[2001:db8::5]:8082", "25", " lbset=1"),
			line("far.example.net:8480", "5", " addressttl=10 disablereuse=On lbset=0"),
			`RewriteCond %{ENV:REDIRECT_BALANCER_WORKER_NAME} "^(?:http://far\.example\.net:8480)$"`,
			"RewriteRule ^/berry-again$ balancer://members%1 [P,NE,UnsafeAllow3F]",
			"RewriteRule ^/berry-again$ balancer://again%1 [P,NE,UnsafeAllow3F]",
		}},
		"without one there is nothing but to wait":     {func(f *node.File) { f.Nodes[2].Role = node.Storage }, "25", []string{"RewriteRule ^/berry-again$ balancer://members%1 [P,NE,UnsafeAllow3F]"}},
		"and one that is not a member bridges nothing": {func(f *node.File) { f.Nodes[2].Name = "cluster05" }, "25", []string{"RewriteRule ^/berry-again$ balancer://members%1 [P,NE,UnsafeAllow3F]"}},
	} {
		f := lb()
		tt.change(&f)
		b := balancerOf(nil, f)
		var got []string
		for text := range strings.Lines(b.site()) {
			text = strings.TrimSpace(text)
			for _, start := range []string{"BalancerMember", "Server", "RewriteCond %{ENV:REDIRECT_BALANCER", "RewriteRule ^/berry-again"} {
				if strings.HasPrefix(text, start) {
					got = append(got, text)
				}
			}
		}
		same(t, name, append([]string{
			"ServerName host.example.net",
			"ServerTokens Prod",
			"ServerSignature Off",
			"ServerName host.example.net",
			"ServerAlias www.host.example.net",
			"ServerAlias [2001:db8::1]",
			line("192.168.2.5:8081", tt.timeout, ""),
			line("[2001:db8::5]:8082", tt.timeout, ""),
			line("far.example.net:8480", tt.timeout, " addressttl=10 status=+H"),
		}, tt.again...), got)
	}
}

func TestTheSumOfABalancerFollowsItsMembers(t *testing.T) {
	other := lb()
	other.Balancer.Members[2].Standby = false
	if a, b := balancerOf(nil, lb()).sum(), balancerOf(nil, other).sum(); a == b {
		t.Errorf("%s twice", a)
	}
}
