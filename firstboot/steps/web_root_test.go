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
	"testing"
	"time"

	"berries/firstboot/status"
)

// ctl is a systemd that knows Apache alone, and runs apache2ctl.
type ctl struct{ asked []string }

func (c *ctl) run(verb string) error {
	c.asked = append(c.asked, verb)
	return exec.Command("apache2ctl", verb).Run()
}
func (c *ctl) Start(context.Context, string) error { return c.run("start") }
func (c *ctl) Stop(context.Context, string) error  { return c.run("stop") }
func (c *ctl) Restart(ctx context.Context, _ string) error {
	c.asked = append(c.asked, "restart")
	if running, _ := c.Active(ctx, apache); running {
		if err := exec.Command("apache2ctl", "stop").Run(); err != nil {
			return err
		}
	}
	for running := true; running; running, _ = c.Active(ctx, apache) { // it waits for nothing
		time.Sleep(100 * time.Millisecond)
	}
	if err := exec.Command("apache2ctl", "start").Run(); err != nil {
		return err
	}
	time.Sleep(time.Second)
	return nil
}

func (c *ctl) Enable(context.Context, ...string) error {
	c.asked = append(c.asked, "enable")
	return errors.Join(os.MkdirAll(unitDir+"/multi-user.target.wants", 0o755),
		os.Symlink("/lib/systemd/system/apache2.service", unitDir+"/multi-user.target.wants/apache2.service"))
}
func (c *ctl) Mask(context.Context, ...string) error { return nil }
func (c *ctl) Reload(context.Context) error          { return nil }
func (c *ctl) Active(context.Context, string) (bool, error) {
	_, err := os.Stat("/run/apache2/apache2.pid")
	return err == nil, nil
}

// walkWeb walks the step and gives how it ended and what was asked of systemd.
func walkWeb() (status.Step, []string) {
	c := &ctl{}
	return walkReally(c, pi(1), Web{}), c.asked
}

func endsLike(want status.State, wantAsked ...string) func() error {
	return func() error {
		got, asked := walkWeb()
		return errors.Join(differs("the step ended", status.Step{Name: "web", State: want}, got),
			differs("asked of systemd", wantAsked, asked))
	}
}

// request asks Apache for a path exactly as it is written.
func request(path string) (code, body string, header http.Header, err error) {
	c, err := net.Dial("tcp", "127.0.0.1:8081")
	if err != nil {
		return "", "", nil, err
	}
	defer c.Close()
	fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: somewhere.example\r\nConnection: close\r\n\r\n", path)
	all, err := io.ReadAll(c)
	if err != nil {
		return "", "", nil, err
	}
	head, body, _ := strings.Cut(string(all), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	header = http.Header{}
	for _, l := range lines[1:] {
		name, value, _ := strings.Cut(l, ": ")
		header.Add(name, value)
	}
	return strings.Fields(lines[0])[1], body, header, nil
}

// answers wants a status for each path, and a body where one is given after it.
func answers(want ...string) func() error {
	return func() error {
		for _, w := range want {
			f := strings.SplitN(w, " ", 3)
			code, body, header, err := request(f[1])
			if err != nil {
				return fmt.Errorf("%s: %w", f[1], err)
			}
			if code != f[0] || len(f) == 3 && strings.TrimSpace(body) != f[2] {
				return fmt.Errorf("%s: %s %q, want %s", f[1], code, body, w)
			}
			if again := header.Get("Retry-After"); (again == "10") != (code == "503") {
				return fmt.Errorf("%s: %s with Retry-After %q", f[1], code, again)
			}
			if strings.Contains(body, "root:x:0") {
				return fmt.Errorf("%s gives the node's users away", f[1])
			}
		}
		return nil
	}
}

var serving = answers(
	"200 / home", "200 /index.html home", "200 /health berries webroot", "200 /what%3Fever.txt odd",
	"200 /own/index.html own", "200 //own//index.html own",
	"404 /nothing", "404 /index.html/x",
	"403 /plain/", "403 /plain/.htaccess", // no listing
	"403 /.berry/", "403 /.berry/secret", "403 /.berry/.health.berry-new", "403 //.berry/secret", "403 /own/../.berry/secret", "403 /%2eberry/secret",
	"403 /passwd", "403 /etc/passwd", "403 /inner.html", // links
	"400 /../../etc/passwd", "400 /%2e%2e/%2e%2e/etc/passwd", "404 /mnt/www/index.html",
	"404 /icons/apache_pb.png", "404 /server-status", "404 /cgi-bin/x", "404 /~root/", "404 /usr/share/apache2/icons/apache_pb.png",
)

// TestRealApache has the step configure a real Apache, and asks that for what must and
// what must not be served.
func TestRealApache(t *testing.T) { inNamespaces(t, "apache") }

var apacheScenario = []scene{
	{"the namespaces are furnished", sh(`
		kept=$(mktemp -d); cp -a /etc/apache2/. $kept
		mount -t tmpfs -o mode=755 t /etc/apache2; cp -a $kept/. /etc/apache2; rm -r $kept
		for dir in ` + unitDir + ` /mnt /run /var/log/apache2; do mount -t tmpfs -o mode=755 t $dir; done
		mkdir /run/upper /run/work; mount -t overlay -o lowerdir=/var/lib,upperdir=/run/upper,workdir=/run/work o /var/lib
		mkdir -p /mnt/www/.berry /mnt/www/own /mnt/www/plain /var/lib/berry /run/lock
		ip link set lo up
		cd /mnt/www
		echo home > index.html; echo odd > 'what?ever.txt'; echo own > own/index.html; echo x > plain/file; echo x > plain/.htaccess
		echo s > .berry/secret; echo n > .berry/.health.berry-new
		ln -s /etc/passwd passwd; ln -s /etc etc; ln -s index.html inner.html
		chown -hR www-data: /mnt/www`)},
	{"a volume that is not mounted is waited for, and nothing but 503 is answered", func() error {
		timer := time.AfterFunc(3*time.Second, func() {
			if err := answers("503 /", "503 /health", "503 /own/index.html", "503 /nothing")(); err != nil {
				fmt.Println("FAIL:", err)
				os.Exit(1)
			}
			os.WriteFile("/mnt/www/.berry/health", []byte("berries webroot\n"), 0o644)
		})
		defer timer.Stop()
		return endsLike(status.Done, "enable", "restart")()
	}},
	{"the volume is served, and nothing else", serving},
	{"the step holds", endsLike(status.AlreadyDone)},
	{"nothing is served while the brick is being rebuilt", func() error {
		return errors.Join(os.WriteFile(RebuildPath, nil, 0o644), answers("503 /", "503 /health", "503 /passwd")(), os.Remove(RebuildPath))
	}},
	{"nothing is served once the volume has gone", func() error {
		return errors.Join(sh("mv /mnt/www /mnt/gone; mkdir /mnt/www")(), answers("503 /", "503 /health", "503 /own/")(),
			sh("rmdir /mnt/www; mv /mnt/gone /mnt/www")(), serving())
	}},
	{"a page of status is for nobody when its name is the volume's", func() error {
		return errors.Join(sh("mkdir -p /mnt/www/server-status /mnt/www/icons; echo mine > /mnt/www/server-status/index.html; echo mine > /mnt/www/icons/a.txt")(),
			answers("200 /server-status/ mine", "200 /icons/a.txt mine")(), sh("rm -r /mnt/www/server-status /mnt/www/icons")())
	}},
	{"changes by hand are taken back, and Apache runs with what is there", func() error {
		return errors.Join(sh("sed -i 's/Options None/Options Indexes FollowSymLinks/' /etc/apache2/sites-available/berry.conf; apache2ctl restart; sleep 1")(),
			answers("200 /inner.html home")(), endsLike(status.Done)(), sh("apache2ctl restart; sleep 1")(), serving())
	}},
	{"Apache that runs with another configuration is started again", func() error {
		return errors.Join(sh("sed -i 's/Berry-Site \"/Berry-Site \"0/' /etc/apache2/sites-available/berry.conf; apache2ctl restart; sleep 1")(),
			endsLike(status.Done, "restart")(), serving())
	}},
	{"a configuration of the owner's that is wrong is told, and Apache goes on", func() error {
		if err := sh("sed -i 's/Berry-Site \"/Berry-Site \"0/' /etc/apache2/sites-available/berry.conf; apache2ctl restart; sleep 1; " +
			"echo Nonsense > /etc/apache2/conf-enabled/own.conf")(); err != nil {
			return err
		}
		got, _ := walkWeb()
		if !strings.Contains(got.Error, "apache2 refuses its configuration: apache2ctl configtest: exit status 1:") ||
			!strings.Contains(got.Error, "Invalid command 'Nonsense'") {
			return fmt.Errorf("it says %+v", got)
		}
		return errors.Join(serving(), sh("rm /etc/apache2/conf-enabled/own.conf")(), endsLike(status.Done, "restart")(), serving())
	}},
	{"an Apache that has gone is started", func() error {
		return errors.Join(sh("apache2ctl stop; sleep 1")(), endsLike(status.Done, "restart")(), serving())
	}},
	{"Apache ends", sh("apache2ctl stop")},
}
