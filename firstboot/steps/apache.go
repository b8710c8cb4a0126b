package steps

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"

	"berries/firstboot/host"
)

const (
	apache    = "apache2.service"
	apacheDir = "/etc/apache2"
)

// sumHeader is the header with the sum of the configuration that answers.
const sumHeader = "Berry-Site"

// httpd is a node's Apache with one site of ours: Web and Balancer share it.
//
// Modules and sites are links, as a2enmod and a2ensite make them; it makes them
// itself, so that a cut leaves each there or not. Other sites and modules are the
// owner's.
type httpd struct {
	h       *host.Host
	port    int
	secure  int // the port of HTTPS; 0: none
	modules []string
	// url is what the site answers with the sum of its configuration.
	url string
	// text is the configuration of the site, with a sum in it.
	text func(sum string) string
}

// ports is the list of ports that Apache listens at.
func (a httpd) ports() string {
	text := fmt.Sprintf("%s\nListen %d\n", oursMark, a.port)
	if a.secure != 0 {
		text += fmt.Sprintf("Listen %d https\n", a.secure)
	}
	return text
}

func (a httpd) site() string { return a.text(a.sum()) }

// sum is what tells one configuration from another.
func (a httpd) sum() string {
	sum := sha256.Sum256([]byte(a.ports() + a.text("")))
	return fmt.Sprintf("%x", sum[:6])
}

// configured looks at what Apache will start with.
func (a httpd) configured() ([]difference, error) {
	looks := []func() ([]difference, error){
		func() ([]difference, error) {
			return file(a.h, apacheDir+"/ports.conf", func(string) string { return a.ports() })
		},
		func() ([]difference, error) {
			return file(a.h, apacheDir+"/sites-available/berry.conf", func(string) string { return a.site() })
		},
		func() ([]difference, error) {
			return a.link("sites-enabled/berry.conf", "../sites-available/berry.conf")
		},
	}
	for _, m := range a.modules {
		looks = append(looks, func() ([]difference, error) {
			return a.link("mods-enabled/"+m+".load", "../mods-available/"+m+".load")
		})
	}
	looks = append(looks,
		func() ([]difference, error) { return a.unlink("sites-enabled/000-default.conf") },
		func() ([]difference, error) { return notAtBoot(a.h, apache, "Apache") },
	)
	var list []difference
	for _, look := range looks {
		some, err := look()
		if err != nil {
			return nil, err
		}
		list = append(list, some...)
	}
	return list, nil
}

// link compares a link below apacheDir with what it should say.
func (a httpd) link(name, target string) ([]difference, error) {
	name = apacheDir + "/" + name
	is, err := a.h.Files.Target(name)
	if err != nil || is == target {
		return nil, err
	}
	return []difference{{
		what:  name + " is not there",
		doing: "linking " + name,
		mend:  func(context.Context) error { return a.h.Files.Link(name, target) },
	}}, nil
}

// unlink looks for a link below apacheDir that must not be there.
func (a httpd) unlink(name string) ([]difference, error) {
	name = apacheDir + "/" + name
	is, err := a.h.Files.Target(name)
	if err != nil || is == "" {
		return nil, err
	}
	return []difference{{
		what:  name + " is there",
		doing: "removing " + name,
		mend:  func(context.Context) error { return a.h.Files.Remove(name) },
	}}, nil
}

// running looks at Apache from outside. Without a difference it runs with what it is
// configured for, and code is its answer at the url.
func (a httpd) running(ctx context.Context) (code int, list []difference, err error) {
	if list, err := inactive(ctx, a.h, apache, "Apache", a.restart); err != nil || list != nil {
		return 0, list, err
	}
	code, sum, err := a.ask(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, nil, context.Cause(ctx)
	case err != nil:
		return 0, []difference{{what: fmt.Sprintf("Apache does not answer: %v", err), doing: "starting Apache again", mend: a.restart}}, nil
	case sum != a.sum():
		return 0, []difference{{what: "Apache runs with an earlier configuration", doing: "starting Apache again", mend: a.restart}}, nil
	}
	return code, nil, nil
}

// odd is an answer that no configuration of ours gives.
func (a httpd) odd(code int) error {
	return fmt.Errorf("apache2 answers %d %s to %s; type: tail /var/log/apache2/error.log", code, http.StatusText(code), a.url)
}

// restart starts Apache, running or not, with a configuration that it has looked at
// before: one that runs is not stopped for one that does not.
func (a httpd) restart(ctx context.Context) error {
	if _, err := a.h.Runner.Run(ctx, host.Command("apache2ctl", "configtest")); err != nil {
		return fmt.Errorf("apache2 refuses its configuration: %w", err)
	}
	return a.h.Units.Restart(ctx, apache)
}

// webAnswers is how long Apache may take: as long as a file of the volume.
const webAnswers = mountAnswers

// ask gets the url as others do. The sum is of the configuration that answers.
func (a httpd) ask(ctx context.Context) (code int, sum string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, webAnswers, errSlow)
	defer cancel()
	url := fmt.Sprintf("http://127.0.0.1:%d%s", a.port, a.url)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	res, err := a.h.HTTP.RoundTrip(req)
	if err == nil {
		defer res.Body.Close()
		_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, "", fmt.Errorf("%w: more than %v", errSlow, webAnswers)
	case err != nil:
		return 0, "", err
	}
	return res.StatusCode, res.Header.Get(sumHeader), nil
}
