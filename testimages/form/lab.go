package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/testimages/lab/cluster"
)

// What the example profile says of its storage nodes.
const (
	volume    = "volpi"
	mount     = "/mnt/www"
	brick     = "/export/brick"
	firstPort = 8081
)

// nodes are its storage nodes.
var nodes = []string{"cluster01", "cluster02", "cluster03"}

// known is what is known of a node beforehand.
type known struct {
	Name, UUID string
	Address    netip.Addr
	Port       int
}

// lab is a lab whose nodes are known.
type lab struct {
	*cluster.Lab
	nodes []known
}

// read takes from the images' names and the secrets beside them what a script would be
// told. A lab gives its nodes the addresses from .11 on.
func read(c *cluster.Lab, images []string) (lab, error) {
	l := lab{Lab: c}
	for i, image := range images {
		name := strings.TrimSuffix(filepath.Base(image), ".img")
		secrets, err := filepath.Glob(filepath.Join(filepath.Dir(image), "*.secrets", name, "gluster.uuid"))
		if err != nil || len(secrets) != 1 {
			return lab{}, fmt.Errorf("there are %d folders with the secrets of %s beside %s, want one", len(secrets), name, image)
		}
		uuid, err := os.ReadFile(secrets[0])
		if err != nil {
			return lab{}, err
		}
		at := cluster.LAN.Addr().As4()
		at[3] = byte(11 + i)
		l.nodes = append(l.nodes, known{name, strings.TrimSpace(string(uuid)), netip.AddrFrom4(at), firstPort + i})
	}
	return l, nil
}

// serves waits until every node answers from the LAN with the same file.
func (l lab) serves(ctx context.Context) error {
	var answers []string
	for ctx.Err() == nil {
		answers = nil
		for _, n := range l.nodes {
			url := fmt.Sprintf("http://%s:%d/health", n.Address, n.Port)
			res, err := (host.Exec{}).Run(ctx, host.Command("ip", "netns", "exec", l.Namespace(""), "curl", "--silent", "--fail", "--max-time", "2", url))
			if err != nil {
				break
			}
			answers = append(answers, string(res.Stdout))
		}
		if len(answers) == len(l.nodes) && same(answers) {
			return nil
		}
		if err := (host.Wall{}).Sleep(ctx, 50*time.Millisecond); err != nil {
			break
		}
	}
	return errors.Join(ctx.Err(), fmt.Errorf("%d of %d nodes answer, with %q", len(answers), len(l.nodes), answers))
}

// same tells whether all are alike, and not empty.
func same(answers []string) bool {
	for _, a := range answers {
		if a == "" || a != answers[0] {
			return false
		}
	}
	return true
}

// byItself watches berry-firstboot. Its phases are its steps, each as its slowest node
// has it: nodes are not at the same step at the same time.
func byItself(ctx context.Context, l lab) ([]phase, error) {
	if err := l.WaitReady(ctx); err != nil {
		return nil, err
	}
	var phases []phase
	for _, n := range l.nodes {
		s, err := l.Status(n.Name)
		if err != nil {
			return nil, err
		}
		for i, step := range s.Steps {
			if i == len(phases) {
				phases = append(phases, phase{name: "step " + step.Name})
			}
			phases[i].took = max(phases[i].took, time.Duration(step.Seconds*float64(time.Second)))
		}
	}
	return phases, nil
}
