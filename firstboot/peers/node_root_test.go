//go:build root && linux

package peers

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"berries/firstboot/host"
)

// script is what a node of the lab is told, beside its certificate.
type script struct {
	Cluster, Name string
	Known         []Known
	Every         time.Duration // between two reports
}

// report is what a node of the lab prints again and again.
type report struct {
	Peers      []Peer
	Routes     []string // "name address" of every hint that it remembers
	Goroutines int
	Files      int     // open
	CPU        float64 // seconds so far
}

// beNode runs a service on the real network that this process sees.
func beNode(dir string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	var told script
	data, err := os.ReadFile(filepath.Join(dir, "script.json"))
	if err == nil {
		err = json.Unmarshal(data, &told)
	}
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	own, err1 := host.OpenFiles(dir)
	all, err2 := host.OpenFiles("/")
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%w, %w", err1, err2)
	}
	s := newService(&host.Host{Files: own, Clock: host.Wall{}}, lan{all},
		Self{Cluster: told.Cluster, Name: told.Name, Role: "storage", Cert: cert, CA: pool, Known: told.Known},
		func(line string) { fmt.Fprintln(os.Stderr, told.Name+": "+line) })
	failing := make(chan os.Signal, 1)
	signal.Notify(failing, syscall.SIGUSR1)
	go func() {
		for range failing {
			fmt.Fprintf(os.Stderr, "made %d sockets fail\n", failSockets())
		}
	}()
	go func() {
		for pause(ctx, told.Every, nil) {
			json.NewEncoder(os.Stdout).Encode(s.report())
		}
	}()
	return s.Run(ctx)
}

func (s *Service) report() report {
	r := report{Peers: s.Peers(), Goroutines: runtime.NumGoroutine()}
	s.table.mu.Lock()
	for name, e := range s.table.nodes {
		for at := range e.routes {
			r.Routes = append(r.Routes, name+" "+at.Addr().String())
		}
	}
	s.table.mu.Unlock()
	files, _ := os.ReadDir("/proc/self/fd")
	r.Files = len(files)
	var used syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	r.CPU = time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds()
	return r
}
