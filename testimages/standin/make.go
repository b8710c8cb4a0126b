package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"berries/firstboot/host"
	"berries/testimages/debian"
)

// making is one image being made, inside the namespace.
type making struct {
	request
	suite    suite
	target   debian.Arch
	machine  debian.Arch // this machine's
	run      host.Runner
	archive  debian.Archive
	base     []debian.Package // the essential packages and what they depend on
	rest     []debian.Package // the others
	debs     string           // folder with their files
	root     *debian.Root
	native   string // tree of borrowed programs; "" where none are needed
	diskID   uint32
	finished string // the image in the cache
}

// makeInside makes the image or finds it made, and copies it to where it is
// wanted.
func makeInside(ctx context.Context, r request) error {
	if err := enterNamespace(); err != nil {
		return err
	}
	m, err := newMaking(r)
	if err != nil {
		return err
	}
	if err := m.resolve(ctx); err != nil {
		return err
	}
	if _, err := os.Stat(m.finished); err == nil {
		fmt.Println("already made:", m.finished)
	} else if err := m.walk(ctx); err != nil {
		return err
	}
	return m.deliver(ctx)
}

func newMaking(r request) (*making, error) {
	suite, err := findSuite(r.suite)
	if err != nil {
		return nil, err
	}
	target, err := debian.FindArch(r.arch)
	if err != nil {
		return nil, err
	}
	machine, err := debian.FindArch(runtime.GOARCH)
	if err != nil {
		return nil, err
	}
	m := &making{request: r, suite: suite, target: target, machine: machine}
	runner := host.Exec{}
	if r.verbose {
		runner.Log = func(line string) { fmt.Println(line) }
	}
	m.run = runner
	m.root = &debian.Root{Dir: filepath.Join(r.work, "root"), Run: runner}
	return m, nil
}

// step is one part of making the image.
type step struct {
	name string
	do   func(context.Context) error
}

// steps is everything, in order.
func (m *making) steps() []step {
	return []step{
		{"packages", m.fetch},        // into the cache
		{"extract", m.extract},       // enough to chroot into
		{"essential", m.essential},   // installed by the root's own dpkg
		{"unpack", m.unpack},         // all the other packages
		{"configure", m.configure},   // run their maintainer scripts
		{"raspberry pi", m.tailor},   // what pi-gen changes
		{"partitions", m.partitions}, // lay the image out and fill it
		{"check", m.check},           // have other programs judge it
	}
}

// walk takes every step, with a line after each.
func (m *making) walk(ctx context.Context) error {
	steps := m.steps()
	for i, s := range steps {
		began := time.Now()
		if err := s.do(ctx); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			fmt.Printf("step %d/%d %s: failed\n", i+1, len(steps), s.name)
			return fmt.Errorf("cannot make a stand-in: %s: %w", s.name, err)
		}
		fmt.Printf("step %d/%d %s: done (%.1fs)\n", i+1, len(steps), s.name, time.Since(began).Seconds())
	}
	return nil
}

// wanted are the packages to ask apt for.
func (m *making) wanted() []string {
	list := append([]string{"?essential"}, packages...)
	if m.target.Name == "arm64" {
		list = append(list, bootPackages...)
	}
	return list
}

// deliver copies the image from the cache to where it is wanted.
func (m *making) deliver(ctx context.Context) error {
	temp := m.out + ".part"
	if _, err := m.run.Run(ctx, host.Command("cp", "--sparse=always", "--reflink=auto", m.finished, temp)); err != nil {
		os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, m.out); err != nil {
		return err
	}
	fmt.Println(m.out)
	return nil
}

// release is the version of the kernel in the root, "" where there is none.
func (m *making) release() (string, error) {
	found, err := filepath.Glob(filepath.Join(m.root.Dir, "boot/vmlinuz-*"))
	if err != nil || len(found) == 0 {
		return "", err
	}
	return strings.TrimPrefix(filepath.Base(found[0]), "vmlinuz-"), nil
}
