// Package apt chooses, checks and fetches the Debian packages that an image
// needs, exactly as apt on the node would, but at build time and without
// running a line of the base's code.
//
// Data flow: ReadBase reads what the base image knows (dpkg's status, the
// architectures, apt's sources, preferences and keyrings) through a Root.
// Open fetches the suites those sources name, checks their signatures with the
// base's own keyrings and every index by SHA-256, and gives an Archive. Its
// Closure says what installing some packages would bring, the same as
// `apt-get install --no-install-recommends --no-remove` would do; NewLock does
// that for each role and pins the result, which ReadLock and Lock.Write keep in
// berries.lock.yaml. Fetch downloads exactly the locked bytes, NewPool makes
// the offline repository of them, and SBOM lists what is in the image.
//
// The resolver follows apt's own order of decisions (apt 2.6 and 3.0: the mark
// algorithm of its dependency cache), because the answer has to be the same,
// alternatives and all. What it leaves out on purpose: apt's problem resolver,
// which removes packages or gives up wishes to get out of a conflict. A build
// must not remove what the base came with, so a conflict is an error here.
// Two packages of one name and version are one package, whatever their
// relations; apt tells them apart. Neither are there phased updates (Ubuntu
// only), apt.conf's default release (refused), or unsigned repositories
// (refused).
//
// Package text is scanned by stanzas here and not by pault.ag/go/debian/control:
// for one real index (trixie arm64, 68 thousand stanzas) that takes 0.8 s and
// 530 MB of allocations, and an arm64 Pi OS has two architectures. Everything
// smaller, and versions and relations, are read by pault.ag/go/debian.
package apt
