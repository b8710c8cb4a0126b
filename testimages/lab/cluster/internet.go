package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"

	"berries/firstboot/host"
	"berries/firstboot/node"
)

// What is in the folder of the internet, for the program internet.
const (
	WorldFile     = "world.json"   // World
	DynamicFile   = "dynamic.json" // the addresses of names that customers have changed
	AuthorityFile = "ca.pem"       // who has signed the certificates of its servers
)

// AddressPage is the server that tells who asks it the address that it sees.
const AddressPage = "api.ipify.org"

// TTL is how long a name on the internet may be kept, in seconds.
const TTL = 5

// World is what the internet knows, and whom.
type World struct {
	Names    map[string]netip.Addr `json:"names"` // those that nobody changes by himself
	Accounts []Account             `json:"accounts"`
	Down     bool                  `json:"down"` // the servers answer nobody, the DNS aside
}

// Account is a customer of the provider of dynamic DNS.
type Account struct {
	Login    string `json:"login"`
	Password string `json:"password"`
	Host     string `json:"host"`
}

// startInternet starts the server, for the nodes that are told of it.
func (l *Lab) startInternet(ctx context.Context, nodes []record, files []node.File) error {
	dir := l.path(internet.dir())
	w := World{Names: map[string]netip.Addr{AddressPage: internet.router()}}
	for i, f := range files {
		if d := f.DDNS; d != nil {
			server, _, _ := strings.Cut(d.Server, "/")
			w.Names[server] = internet.router()
			w.Accounts = append(w.Accounts, Account{d.Login, d.Password, d.Host})
		}
		if b := f.Balancer; b != nil {
			for _, name := range append([]string{b.ServerName}, b.Aliases...) {
				w.Names[name] = nodes[i].Address
			}
			if t := f.Tunnel; t != nil {
				w.Names[t.Host] = nodes[i].Address
			}
		}
	}
	if err := l.saveWorld(w); err != nil {
		return err
	}
	program := filepath.Join(dir, "internet")
	_, here, _, _ := runtime.Caller(0) // whoever runs this has it compiled from here
	build := host.Command("go", "build", "-o", program, "berries/testimages/lab/internet")
	build.Dir = filepath.Dir(here)
	if _, err := l.run.Run(ctx, build); err != nil {
		return err
	}
	ended, err := l.spawnServer(program, dir)
	if err != nil {
		return err
	}
	return until(ctx, func() (bool, error) {
		_, err := os.Stat(filepath.Join(dir, AuthorityFile))
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return err == nil, err
		}
		select {
		case <-ended:
			text, _ := os.ReadFile(filepath.Join(dir, "server.log"))
			return false, fmt.Errorf("the internet has ended: %s", text)
		default:
			return false, nil
		}
	})
}

// serverDir is the group of the internet's server.
const serverDir = "server"

// spawnServer starts the server, which outlives this program, and closes ended when it
// has ended.
func (l *Lab) spawnServer(program, dir string) (ended chan struct{}, err error) {
	g := l.group(serverDir)
	if err := g.make(); err != nil {
		return nil, err
	}
	c, err := g.in(l.within(internet.name, host.Command(program, dir)))
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, "server.log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(c.Name, c.Args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		cmd.Wait() // how it ended is in its log
	}()
	return ended, nil
}

// World is what the internet knows. A lab that is all at home has none.
func (l *Lab) World() (w World, err error) {
	data, err := os.ReadFile(l.path(internet.dir(), WorldFile))
	if errors.Is(err, fs.ErrNotExist) {
		return World{}, errors.New("there is no internet: all nodes are at home")
	}
	if err != nil {
		return World{}, err
	}
	return w, json.Unmarshal(data, &w)
}

// ChangeWorld changes what the internet knows.
func (l *Lab) ChangeWorld(change func(*World)) error {
	w, err := l.World()
	if err != nil {
		return err
	}
	change(&w)
	return l.saveWorld(w)
}

func (l *Lab) saveWorld(w World) error {
	data, err := json.MarshalIndent(w, "", "  ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(l.path(internet.dir(), WorldFile), append(data, '\n'), 0o600)
}

// rename has the names of one address be another's.
func (l *Lab) rename(from, to netip.Addr) error {
	return l.ChangeWorld(func(w *World) {
		for name, address := range w.Names {
			if address == from {
				w.Names[name] = to
			}
		}
	})
}

// Dynamic are the addresses to which nodes have pointed their names.
func (l *Lab) Dynamic() (names map[string]netip.Addr, err error) {
	data, err := os.ReadFile(l.path(internet.dir(), DynamicFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return names, json.Unmarshal(data, &names)
}

// trust has a node whose files lie in a folder trust the servers of the internet, as it
// does those of the real one by Debian's certificates.
func (l *Lab) trust(upper string) error {
	text, err := os.ReadFile(l.path(internet.dir(), AuthorityFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The first for who reads what update-ca-certificates has made, the other for when it
	// makes it anew.
	for _, name := range []string{"etc/ssl/certs/ca-certificates.crt", "usr/local/share/ca-certificates/lab.crt"} {
		file := filepath.Join(upper, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
