//go:build root && linux

package steps

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"berries/firstboot/host"
	"berries/firstboot/node"
	"berries/firstboot/status"
)

// TestRealDDClient has the installed ddclient keep a name up to date with a provider of
// the test's own, over HTTPS, and the provider say no in every way.
func TestRealDDClient(t *testing.T) { inNamespaces(t, "ddclient") }

// secret has all that ddclient.conf might stumble over.
const secret = `it's "top" #1, \secret = $x`

func dynamicNode() node.File {
	return node.File{Name: "cluster04", Role: node.Remote, DDNS: &node.DDNS{
		Protocol: "dyndns2", Server: dnsServer + "/nic/update", Login: `o'neil\x`, Password: secret, Host: "berries.example.net"}}
}

// ahead is the machine's clock, put forward.
type ahead struct{ by time.Duration }

func (a *ahead) Now() time.Time { return time.Now().Add(a.by) }

func (a *ahead) Sleep(ctx context.Context, d time.Duration) error {
	a.by += d
	return context.Cause(ctx)
}

// daemon is a systemd that knows ddclient alone, and runs what its unit says.
type daemon struct{ asked []string }

const pidFile = "/run/ddclient.pid"

func (d *daemon) Start(context.Context, string) error { return errors.New("nobody should start it") }

func (d *daemon) Restart(context.Context, string) error {
	d.asked = append(d.asked, "restart")
	return sh(`line=$(sed -n s/^ExecStart=//p /usr/lib/systemd/system/` + ddclient + ` /lib/systemd/system/` + ddclient + ` | head -n 1)
		. /etc/default/ddclient
		case $line in
		*--foreground*) eval "exec setsid $line" >/run/ddclient.log 2>&1 & echo $! > ` + pidFile + `;;
		*) eval "$line" >/run/ddclient.log 2>&1;;
		esac`)()
}

func (d *daemon) Stop(context.Context, string) error {
	if !d.signal(syscall.SIGTERM) {
		return nil
	}
	d.asked = append(d.asked, "stop")
	for range 100 {
		if !d.signal(0) {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	d.signal(syscall.SIGKILL) // as systemd does with one that still waits for a server
	return os.Remove(pidFile)
}

// signal tells whether there was somebody to get it.
func (d *daemon) signal(s syscall.Signal) bool {
	var pid int
	data, _ := os.ReadFile(pidFile)
	if _, err := fmt.Sscan(string(data), &pid); err != nil {
		return false
	}
	return syscall.Kill(pid, s) == nil
}

func (d *daemon) Enable(context.Context, ...string) error {
	d.asked = append(d.asked, "enable")
	return errors.Join(os.MkdirAll(unitDir+"/multi-user.target.wants", 0o755),
		os.Symlink("/lib/systemd/system/"+ddclient, unitDir+"/multi-user.target.wants/"+ddclient))
}
func (d *daemon) Mask(context.Context, ...string) error        { return nil }
func (d *daemon) Reload(context.Context) error                 { return nil }
func (d *daemon) Active(context.Context, string) (bool, error) { return d.signal(0), nil }

var (
	clock ahead
	dyn   = provider{address: "192.0.2.7", password: secret}
)

// walkDDClient walks the step and gives how it ended, how many updates the provider was
// sent, and what was asked of systemd.
func walkDDClient() (end status.Step, updates int, asked string) {
	d, before := &daemon{}, dyn.count()
	end = walkOn(&clock, d, dynamicNode(), DDClient{})
	return end, dyn.count() - before, strings.Join(d.asked, " ")
}

// comes wants the step to end well.
func comes(want status.State, wantUpdates int, wantAsked string) func() error {
	return func() error {
		got, updates, asked := walkDDClient()
		return errors.Join(differs("the step ended", status.Step{Name: "ddclient", State: want}, got),
			differs("updates", wantUpdates, updates), differs("asked of systemd", wantAsked, asked), dyn.fault())
	}
}

// failsIn wants it to fail with those words, and to say when it will try again.
func failsIn(words string, in time.Duration, wantUpdates int) func() error {
	return func() error {
		got, updates, _ := walkDDClient()
		if got.State != status.Failed || !strings.Contains(got.Error, words) || strings.Contains(got.Error, "top") {
			return fmt.Errorf("it ended %+v, want %q", got, words)
		}
		_, text, _ := strings.Cut(got.Error, "; tried again after ")
		text, _, _ = strings.Cut(text, ";")
		at, err := time.Parse("2006-01-02 15:04 MST", text)
		if off := at.Sub(clock.Now().Add(in)); err != nil || off.Abs() > 2*time.Minute {
			return fmt.Errorf("%s is off by %v, %v", got.Error, off, err)
		}
		if active := (&daemon{}).signal(0); active {
			return errors.New("ddclient goes on by itself")
		}
		return errors.Join(differs("updates", wantUpdates, updates), dyn.fault())
	}
}

// passes puts the clock forward.
func passes(d time.Duration) func() error {
	return func() error {
		clock.by += d + time.Second
		return nil
	}
}

func inTurn(do ...func() error) func() error {
	return func() error {
		for _, f := range do {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

// anew has the step send an update as if it never had.
var anew = sh("rm -f " + updatePath)

// rightClock puts it where ddclient's is.
func rightClock() error {
	clock.by = 0
	return nil
}

// refusal is a scene in which the provider answers an update like this, is asked again
// after the wait, and gives in.
func refusal(name string, status int, answer, words string, wait time.Duration) scene {
	return scene{name, inTurn(anew, dyn.answers(status, answer), failsIn(words, wait, 1), failsIn(words, wait, 0), dyn.gives,
		passes(wait), comes("done", 1, "restart"))}
}

var ddclientScenario = []scene{
	{"the namespaces are furnished", inTurn(sh(`
		for dir in /etc /var/lib /var/cache; do
			mkdir -p /run/berry$dir; mount -t tmpfs t /run/berry$dir; mkdir /run/berry$dir/upper /run/berry$dir/work
			mount -t overlay -o lowerdir=$dir,upperdir=/run/berry$dir/upper,workdir=/run/berry$dir/work o $dir
		done
		mount -t tmpfs -o mode=755 t /run; mount -t tmpfs -o mode=755 t `+unitDir+`; mount -t tmpfs -o mode=755 t /etc/ssl/certs
		rm -f /var/lib/berry/ddclient.json /var/cache/ddclient/* /etc/ddclient.conf
		ip link set lo up
		echo '127.0.0.1 localhost api.ipify.org
127.0.0.2 `+dnsServer+`' > /etc/hosts`), dyn.trusted, dyn.up, tells("127.0.0.1:443", dyn.page))},
	{"a wrong password is told in the provider's words", inTurn(dyn.wants("another"), failsIn("badauth: Bad authorization (username or password); correct login and password", halfAnHour, 1))},
	{"and the provider is left alone, however often the program starts", inTurn(failsIn("badauth", halfAnHour, 0), failsIn("badauth", halfAnHour, 0),
		passes(halfAnHour-5*time.Minute), failsIn("badauth", 5*time.Minute, 0))},
	{"for twice as long the next time", inTurn(passes(5*time.Minute), failsIn("badauth", time.Hour, 1), passes(59*time.Minute), failsIn("badauth", time.Minute, 0))},
	{"it comes by itself once the password is right", inTurn(dyn.wants(secret), passes(time.Minute), comes(status.Done, 1, "enable restart"))},
	{"the step holds", comes(status.AlreadyDone, 0, "")},
	{"only root can read the password", sh(`test "$(stat -c %a:%u /etc/ddclient.conf /var/lib/berry/ddclient.json | sort -u)" = 600:0`)},
	{"changes by hand are taken back", inTurn(sh("chmod 644 /etc/ddclient.conf; echo daemon_interval=1d > /etc/default/ddclient"), comes(status.Done, 0, ""),
		sh(`test "$(stat -c %a /etc/ddclient.conf)" = 600; grep -qx 'daemon_interval="5m"' /etc/default/ddclient`))},
	{"an address that the provider has already is as good", inTurn(anew, comes(status.Done, 1, "stop restart"))},
	{"the service sends a new address by itself", inTurn(dyn.moves("192.0.2.8"), hangUp, dyn.has("192.0.2.8"), comes(status.AlreadyDone, 0, ""))},
	{"an update of the service's that is refused is told, and the service is kept from asking on", inTurn(rightClock, dyn.wants("another"), dyn.moves("192.0.2.9"), hangUp,
		failsIn("ddclient could not keep it up to date: badauth", 5*time.Minute, 0), passes(5*time.Minute), failsIn("badauth: Bad auth", halfAnHour, 1))},
	{"and comes again by itself", inTurn(dyn.wants(secret), passes(halfAnHour), comes(status.Done, 1, "restart"), dyn.has("192.0.2.9"))},
	refusal("a name that is blocked", 200, "abuse", "abuse: The hostname specified is blocked for abuse", 8*time.Hour),
	refusal("a name that the provider does not know", 200, "nohost", "nohost: The hostname specified does not exist in the database", halfAnHour),
	refusal("a name that is another's", 200, "!yours", "!yours: The hostname specified exists, but not under the username", halfAnHour),
	refusal("a name that is none", 200, "notfqdn", "notfqdn: A Fully-Qualified Domain Name was not provided", halfAnHour),
	refusal("a provider that has a fault", 200, "911", "unexpected status (911); the fault is the provider's", halfAnHour),
	refusal("a provider whose DNS has one", 200, "dnserr", "dnserr: System error: DNS error encountered", halfAnHour),
	refusal("a login that HTTP refuses", 401, "badauth", "; correct login and password", halfAnHour),
	refusal("a page that is no provider's", 500, "<html>", "the provider answered what ddclient does not understand", halfAnHour),
	refusal("an empty answer", 200, "", "Could not connect to "+dnsServer, 5*time.Minute),
	{"a provider that is down is asked again, and is found when it is up", inTurn(anew, dyn.down, failsIn("Could not connect to "+dnsServer, 5*time.Minute, 0),
		failsIn("Could not connect", 5*time.Minute, 0), dyn.up, passes(5*time.Minute), comes(status.Done, 1, "restart"))},
	{"so is the internet", inTurn(anew, sh("mv /etc/hosts /run/hosts"), failsIn("see whether this node reaches the internet", 5*time.Minute, 0),
		sh("mv /run/hosts /etc/hosts"), passes(5*time.Minute), comes(status.Done, 1, "restart"))},
	{"a clock that was wrong does not keep it waiting", inTurn(anew, dyn.answers(200, "abuse"), failsIn("abuse", 8*time.Hour, 1), dyn.gives,
		passes(-1000*time.Hour), comes(status.Done, 1, "restart"))},
	{"a service that has gone is started", inTurn(sh("kill $(cat /run/ddclient.pid); sleep 1"), comes(status.Done, 0, "restart"))},
	{"ddclient ends", func() error { return (&daemon{}).Stop(context.Background(), ddclient) }},
}

// hangUp has the service look at the address now, once it may: half a minute after the
// last update (min-interval).
func hangUp() error {
	time.Sleep(31 * time.Second)
	before := dyn.count()
	if !(&daemon{}).signal(syscall.SIGHUP) {
		return errors.New("the service does not run")
	}
	for range 200 {
		if dyn.count() > before {
			time.Sleep(time.Second) // it writes its cache
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	out, _ := exec.Command("tail", "-n", "5", "/run/ddclient.log").CombinedOutput()
	return fmt.Errorf("the service sends nothing: %s", out)
}

var _ host.Clock = &clock
