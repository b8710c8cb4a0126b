// Package testimages holds what tests need that are too large to be unit tests: a
// stand-in for Raspberry Pi OS (command standin), machines to boot images in
// (package qemu, command boot), and, behind the build tag qemu, the test that
// boots the image of one node.
package testimages
