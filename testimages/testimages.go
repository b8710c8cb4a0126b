// Package testimages holds what tests need that are too large to be unit tests: a
// stand-in for Raspberry Pi OS (command standin), machines to boot images in
// (package qemu, command boot), a LAN of containers to boot a cluster's images in
// (package cluster, command lab), and, behind the build tag qemu, the test that
// boots the image of one node. Its other tests do what README says, and hold the
// tree to its rules.
package testimages
