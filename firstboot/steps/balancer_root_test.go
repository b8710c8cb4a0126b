//go:build root && linux

package steps

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"berries/firstboot/node"
	"berries/firstboot/status"
)

// TestRealBalancer has the step configure a real Apache before four servers, which are
// killed, hung and rebuilt while visitors come.
func TestRealBalancer(t *testing.T) { inNamespaces(t, "balancer") }

// balancing is the node file of a balancer of the four, which knows the last by its
// name.
func balancing(standby bool) node.File {
	f := node.File{Name: "lb", Role: node.Balancer, Nodes: []node.Node{{Name: "lb", Role: node.Balancer}, {Name: "cluster04", Role: node.Remote}}}
	f.Balancer = &node.Balancing{Port: 80, ServerName: "host.example.net", Aliases: []string{"www.host.example.net"}, Members: []node.Server{
		{Name: "cluster01", Host: "127.0.0.2", Port: 8081},
		{Name: "cluster02", Host: "127.0.0.3", Port: 8082},
		{Name: "cluster03", Host: "127.0.0.4", Port: 8083},
		{Name: "cluster04", Host: "far.example.net", Port: 8480, Standby: standby},
	}}
	return f
}

func balancerEnds(f node.File, want status.State, wantAsked ...string) func() error {
	return func() error {
		c := &ctl{}
		got := walkReally(c, f, Balancer{})
		return errors.Join(differs("the step ended", status.Step{Name: "balancer", State: want}, got),
			differs("asked of systemd", wantAsked, c.asked))
	}
}

func each(list []*member, do func(*member) error) func() error {
	return func() error {
		var errs []error
		for _, m := range list {
			errs = append(errs, do(m))
		}
		return errors.Join(errs...)
	}
}

// leads has the name of the far node lead to an address, or nowhere.
func leads(address string) func() error {
	line := ""
	if address != "" {
		line = address + " far.example.net\n"
	}
	return func() error { return os.WriteFile("/etc/hosts", []byte(line), 0o644) }
}

func begins(m *member, does int32) func() error {
	return func() error { m.does.Store(does); return nil }
}

// answersVisitors wants a status for each path, and that no answer tells Apache's
// version.
func answersVisitors(want map[string]int) func() error {
	return func() error {
		for path, code := range want {
			res, err := visitor(false).Get("http://" + balancerAt + path)
			if err != nil {
				return err
			}
			res.Body.Close()
			if res.StatusCode != code || res.Header.Get("Server") != "Apache" {
				return fmt.Errorf("%s: %d from %q, want %d from Apache", path, res.StatusCode, res.Header.Get("Server"), code)
			}
		}
		return nil
	}
}

// saidTo gives what Apache answers to a request as it is written.
func saidTo(request string) (string, error) {
	from, _ := net.ResolveTCPAddr("tcp", visitorAt)
	c, err := (&net.Dialer{LocalAddr: from, Timeout: 5 * time.Second}).DialContext(context.Background(), "tcp", balancerAt)
	if err != nil {
		return "", err
	}
	defer c.Close()
	fmt.Fprint(c, request)
	out, err := io.ReadAll(c)
	return string(out), err
}

// notForwarded wants nobody but members to be asked, whatever a visitor names.
func notForwarded() error {
	var asked atomic.Bool
	l, err := net.Listen("tcp", "127.0.0.9:8099")
	if err != nil {
		return err
	}
	other := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Store(true) })}
	go other.Serve(l)
	defer other.Close()
	get, err1 := saidTo("GET http://127.0.0.9:8099/file HTTP/1.1\r\nHost: 127.0.0.9:8099\r\nConnection: close\r\n\r\n")
	connect, err2 := saidTo("CONNECT 127.0.0.9:8099 HTTP/1.1\r\nHost: 127.0.0.9:8099\r\nConnection: close\r\n\r\n")
	if asked.Load() || !strings.Contains(get, " /file") || !strings.HasPrefix(connect, "HTTP/1.1 405 ") {
		return fmt.Errorf("the other was asked: %v; GET: %.99s; CONNECT: %.99s", asked.Load(), get, connect)
	}
	return errors.Join(err1, err2)
}

// again wants what one member leaves unanswered to be asked of another one, as it was
// written, where asking twice does no harm.
func again() error {
	const odd = "/what%3Fever%20it.txt?x=%2520y&z"
	for range 8 { // each has its turn twice
		if code, body, err := visit(visitor(false), odd); code != http.StatusOK || err != nil {
			return fmt.Errorf("%s: %d %s %v", odd, code, body, err)
		}
	}
	for range 8 {
		if res, err := visitor(false).Head("http://" + balancerAt + "/head"); err != nil || res.StatusCode != http.StatusOK {
			return fmt.Errorf("HEAD: %v %v", res, err)
		}
	}
	broke := 0
	for i := range 8 {
		res, err := visitor(false).Post(fmt.Sprintf("http://%s/post-%d", balancerAt, i), "text/plain", strings.NewReader("x"))
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode == http.StatusBadGateway {
			broke++
		}
	}
	var errs []error
	times := map[string]int{}
	for _, m := range four {
		if _, ok := m.got.Load(odd); !ok {
			errs = append(errs, fmt.Errorf("%s was not asked for %s", m.name, odd))
		}
		m.got.Range(func(asked, _ any) bool { times[asked.(string)]++; return true })
	}
	for i := range 8 {
		if path := fmt.Sprintf("/post-%d", i); times[path] != 1 {
			errs = append(errs, fmt.Errorf("%s was asked of %d members", path, times[path]))
		}
	}
	return errors.Join(append(errs, differs("posts that broke", 2, broke))...)
}

// nobodyServes wants visitors to be told to come again.
func nobodyServes() error {
	res, err := visitor(false).Get("http://" + balancerAt + "/")
	if err != nil {
		return err
	}
	res.Body.Close()
	return differs("an answer of nobody", "503 10", fmt.Sprint(res.StatusCode, " ", res.Header.Get("Retry-After")))
}

var first, second, third, far = four[0], four[1], four[2], four[3]

// moved is the far node at its next address.
var moved = &member{name: "moved", at: "127.0.0.6:8480"}

var everyone = []string{"cluster01", "cluster02", "cluster03", "cluster04"}

const soon = 15 * time.Second

var balancerScenario = []scene{
	{"the namespaces are furnished", sh(`
		kept=$(mktemp -d); cp -a /etc/apache2/. $kept
		mount -t tmpfs -o mode=755 t /etc/apache2; cp -a $kept/. /etc/apache2; rm -r $kept
		for dir in ` + unitDir + ` /run /var/log/apache2; do mount -t tmpfs -o mode=755 t $dir; done
		mkdir -p /run/lock
		echo '127.0.0.5 far.example.net' > /run/hosts; mount --bind /run/hosts /etc/hosts
		ip link set lo up; ip addr add 192.0.2.1/32 dev lo; ip addr add 192.0.2.2/32 dev lo`)},
	{"four nodes serve", each(four, (*member).up)},
	{"Apache is made a balancer", balancerEnds(balancing(false), status.Done, "enable", "restart")},
	{"the step holds", balancerEnds(balancing(false), status.AlreadyDone)},
	{"Apache likes its configuration", func() error {
		out, err := exec.Command("apache2ctl", "configtest").CombinedOutput()
		return errors.Join(err, differs("apache2ctl configtest", "Syntax OK\n", string(out)))
	}},
	{"the four take turns", share(soon, everyone...)},
	{"names of the packaged configuration are the members'", answersVisitors(map[string]int{
		"/": 200, "/icons/": 200, "/server-status": 200, "/cgi-bin/x": 200, balancerURL: 200, againURL: 200, "/folder": 301,
	})},
	{"the page that changes the balancer is for this machine", func() error {
		return errors.Join(answersVisitors(map[string]int{"/balancer-manager": 403})(),
			sh("curl -sf http://127.0.0.1/balancer-manager | grep -q far.example.net")())
	}},
	{"it forwards to nobody else", notForwarded},
	{"one is killed", survives(first.down, soon, "cluster02", "cluster03", "cluster04")},
	{"it comes back", all(first.up, share(soon, everyone...))},
	{"one hangs", survives(begins(second, hangs), soon, "cluster01", "cluster03", "cluster04")},
	{"it comes back", all(begins(second, serves), share(soon, everyone...))},
	{"one has died, and the others stand still because of it", all(survives(each(four[:3], func(m *member) error { return begins(m, hangs)() }), soon, "cluster04"),
		each(four[:3], func(m *member) error { return begins(m, serves)() }), share(soon, everyone...))},
	{"the far one hangs", survives(begins(far, hangs), soon, everyone[:3]...)},
	{"it comes back", all(begins(far, serves), share(soon, everyone...))},
	{"one says that it is not well", survives(begins(third, unwell), soon, "cluster01", "cluster02", "cluster04")},
	{"it comes back", all(begins(third, serves), share(soon, everyone...))},
	{"one is being rebuilt", survives(begins(third, rebuilds), soon, "cluster01", "cluster02", "cluster04")},
	{"it comes back", all(begins(third, serves), share(soon, everyone...))},
	{"what one breaks off is asked of another one", all(begins(first, breaks), again, begins(first, serves), share(soon, everyone...))},
	{"one breaks off every answer", survives(begins(first, breaks), soon, everyone[1:]...)},
	{"it comes back", all(begins(first, serves), share(soon, everyone...))},
	// It says that it is well, and so is taken back every two seconds: a request can meet
	// it twice.
	{"the far one breaks off every answer", survivesBut(3, begins(far, breaks), soon, everyone[:3]...)},
	{"it comes back", all(begins(far, serves), share(soon, everyone...))},
	{"the name of one leads elsewhere", all(moved.up, leads("127.0.0.6"), share(20*time.Second, "cluster01", "cluster02", "cluster03", "moved"))},
	{"and back, and nobody is there any more", all(moved.down, leads("127.0.0.5"), share(20*time.Second, everyone...))},
	{"a name that leads nowhere keeps nobody else in or out", all(
		leads(""), sh("apache2ctl restart; sleep 1"), begins(first, unwell), share(soon, "cluster02", "cluster03"),
		begins(first, serves), share(soon, everyone[:3]...), leads("127.0.0.5"), share(20*time.Second, everyone...),
	)},
	{"the far one is made a standby", balancerEnds(balancing(true), status.Done, "restart")},
	{"a standby has no turns", share(soon, everyone[:3]...)},
	{"nor while one of the others is left", all(first.down, second.down, share(soon, "cluster03"))},
	{"it has all of them when nobody else is left", survives(third.down, soon, "cluster04")},
	{"and none when one of them is back", all(second.up, share(soon, "cluster02"))},
	{"visitors are told to come again when nobody is left", all(second.down, far.down, nobodyServes)},
	{"all come back", all(each(four, (*member).up), share(soon, everyone[:3]...))},
	{"changes by hand are taken back", all(
		sh("sed -i 's/ProxyRequests Off/ProxyRequests On/; s/Berry-Site \"/Berry-Site \"0/' /etc/apache2/sites-available/berry.conf; apache2ctl restart; sleep 1"),
		func() error {
			if notForwarded() == nil {
				return errors.New("a forward proxy is not noticed")
			}
			return nil
		},
		balancerEnds(balancing(true), status.Done, "restart"), notForwarded, balancerEnds(balancing(true), status.AlreadyDone),
	)},
	{"Apache ends", sh("apache2ctl stop")},
}
