package main

import (
	"context"
	"path/filepath"

	"berries/testimages/debian"
)

// updateInitramfs is kept from running: under emulation it takes minutes.
const updateInitramfs = "/usr/sbin/update-initramfs"

// fetch downloads the image's packages and unpacks the programs to borrow.
func (m *making) fetch(ctx context.Context) error {
	var err error
	if m.debs, err = m.archive.Fetch(ctx, m.wanted()...); err != nil {
		return err
	}
	if m.target.Native() {
		return nil
	}
	own := m.archive
	own.Arch, own.Dir = m.machine.Name, filepath.Join(m.cache, "apt", m.suite.name+"-borrowed")
	if err := own.Open(ctx); err != nil {
		return err
	}
	list, err := own.Resolve(ctx, borrowed...)
	if err != nil {
		return err
	}
	debs, err := own.Fetch(ctx, borrowed...)
	if err != nil {
		return err
	}
	tree := debian.Root{Dir: filepath.Join(m.work, "native"), Run: m.run}
	m.native = tree.Dir
	return tree.Extract(ctx, m.machine.Name, debs, list)
}

// extract leaves a root that can be entered.
func (m *making) extract(ctx context.Context) error {
	if err := m.root.Extract(ctx, m.target.Name, m.debs, m.base); err != nil {
		return err
	}
	if !m.target.Native() {
		if err := debian.Emulate(m.target); err != nil {
			return err
		}
		if err := m.root.Borrow(m.native, m.machine); err != nil {
			return err
		}
	}
	return m.root.Enter(m.debs)
}

// essential installs the packages that no Debian is without.
func (m *making) essential(ctx context.Context) error {
	if err := m.root.Unpack(ctx, m.base); err != nil {
		return err
	}
	if err := m.root.Interpret(m.native, interpreters...); err != nil {
		return err
	}
	return m.root.Configure(ctx)
}

// unpack unpacks all other packages.
func (m *making) unpack(ctx context.Context) error {
	if err := m.root.Preseed(ctx, answers); err != nil {
		return err
	}
	if err := m.root.Unpack(ctx, m.rest); err != nil {
		return err
	}
	return m.root.Interpret(m.native, pythons)
}

// configure runs the maintainer scripts of all other packages and leaves the
// root, with nothing borrowed in it.
func (m *making) configure(ctx context.Context) error {
	release, err := m.release()
	if err != nil {
		return err
	}
	if release != "" {
		if err := m.root.Divert(ctx, updateInitramfs); err != nil {
			return err
		}
	}
	if err := m.root.Configure(ctx); err != nil {
		return err
	}
	if release != "" {
		if err := m.root.Undivert(ctx, updateInitramfs); err != nil {
			return err
		}
	}
	return nil
}
