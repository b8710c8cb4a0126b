// Package debian installs a Debian system into a folder, for any architecture.
//
// In comes the host's apt configuration, asked for its Debian mirrors
// (Mirrors); an Archive resolves and downloads packages for one suite and
// architecture; and a Root takes them: Extract, by the host's tools, what is
// needed to enter it, then Unpack and Configure by its own dpkg, so that every
// maintainer script of every package has run and dpkg's records are dpkg's own.
//
// A root of another architecture runs under QEMU's user emulation, which the
// kernel starts through binfmt_misc (Emulate). Since that is slow, the programs
// that maintainer scripts use most are borrowed from packages of the machine's
// own architecture while the root is installed (Borrow, Interpret): an arm64
// stand-in took 14 minutes without and takes under 3 with them. Verify proves
// that nothing borrowed stays.
//
// Everything must be called as root, in a mount namespace of its own.
package debian

import "embed"

// Recipe is this package's source, for those who keep what it made and must
// know when to make it anew.
//
//go:embed *.go
var Recipe embed.FS
