//go:build root && linux

package peers

import (
	"bufio"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// member is a running service on a computer of the lab.
type member struct {
	*lab
	name, dir string
	cmd       *exec.Cmd
	mu        sync.Mutex
	last      report
	ever      map[string]bool // every "name address" that was ever a peer's
	log       safeBuffer
}

// start runs a service on a computer. Others are known by name alone, or as
// name@address.
func (l *lab) start(computer string, known ...string) *member {
	l.t.Helper()
	return l.startAs(computer, computer, l.ca, known...)
}

func (l *lab) startAs(computer, name string, ca authority, known ...string) *member {
	l.t.Helper()
	m := &member{lab: l, name: name, dir: l.t.TempDir(), ever: map[string]bool{}}
	told := self(ca, name, known...)
	data, err := json.Marshal(script{"the cluster's id", name, told.Known, l.every})
	if err != nil {
		l.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(told.Cert.PrivateKey)
	if err != nil {
		l.t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	for file, text := range map[string]string{
		"script.json": string(data), "ca.pem": block("CERTIFICATE", ca.cert.Raw),
		"cert.pem": block("CERTIFICATE", told.Cert.Certificate[0]), "key.pem": block("PRIVATE KEY", key),
		"etc/hosts": "127.0.0.1\tlocalhost\n127.0.1.1\t" + name + "\n",
	} {
		path := filepath.Join(m.dir, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			l.t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			l.t.Fatal(err)
		}
	}
	m.boot(computer)
	l.t.Cleanup(func() {
		m.kill()
		if log := m.log.String(); strings.Contains(log, "DATA RACE") || strings.Contains(log, "panic: ") {
			l.t.Errorf("%s did what no program should", name)
		}
		if l.t.Failed() {
			l.t.Logf("%s ended as %+v with this log:\n%s", name, m.last, m.log.String())
		}
	})
	return m
}

// boot starts the service's process.
func (m *member) boot(computer string) {
	m.t.Helper()
	m.cmd = m.in(computer, os.Args[0])
	m.cmd.Env = append(os.Environ(), inside+"="+m.dir)
	m.cmd.Stderr = &m.log
	out, err := m.cmd.StdoutPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		m.t.Fatal(err)
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var r report
			if json.Unmarshal(lines.Bytes(), &r) == nil {
				m.take(r)
			}
		}
	}()
}

func (m *member) take(r report) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = r
	for _, p := range r.Peers {
		for _, a := range p.Addresses {
			m.ever[p.Name+" "+a.String()] = true
		}
	}
}

// kill ends the process without a goodbye.
func (m *member) kill() {
	m.cmd.Process.Kill()
	m.cmd.Wait()
}

func (m *member) now() report {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// has tells whether a peer answers at that address.
func (m *member) has(peer, address string) bool {
	return slices.ContainsFunc(m.now().Peers, func(p Peer) bool {
		return p.Name == peer && slices.ContainsFunc(p.Addresses, func(a netip.Addr) bool { return a.String() == address })
	})
}

// took tells whether an address was ever a peer's.
func (m *member) took(peer, address string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ever[peer+" "+address]
}

// heard tells whether it knows of a hint.
func (m *member) heard(hint string) bool { return slices.Contains(m.now().Routes, hint) }

// resolves tells what a name is in the hosts file.
func (m *member) resolves(name string) string {
	text, err := os.ReadFile(filepath.Join(m.dir, "etc/hosts"))
	if err != nil {
		m.t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(text)) {
		if w := words(line); len(w) > 1 && slices.Contains(w[1:], name) {
			found = append(found, w[0])
		}
	}
	return strings.Join(found, " ")
}
